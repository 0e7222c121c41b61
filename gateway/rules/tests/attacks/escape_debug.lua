-- expect: runtime
return { check = function() return debug.info(1, "f") end }
