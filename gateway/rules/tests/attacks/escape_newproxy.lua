-- expect: runtime
return { check = function() getmetatable(newproxy(true)).__gc = error return accept() end }
