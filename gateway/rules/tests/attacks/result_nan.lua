-- expect: runtime
return { check = function() return accept { fields = { a = 0 / 0 } } end }
