-- expect: runtime
return { check = function() collectgarbage("count") return accept() end }
