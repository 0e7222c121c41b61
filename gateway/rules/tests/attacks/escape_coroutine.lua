-- expect: runtime
return { check = function() coroutine.wrap(function() end)() return accept() end }
