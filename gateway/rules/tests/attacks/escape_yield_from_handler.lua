-- expect: runtime
return { check = function() return coroutine.yield() end }
