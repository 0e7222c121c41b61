-- expect: runtime
return { check = function() return loadstring("return 1")() end }
