-- expect: runtime
return { check = function() return accept { fields = { [("x"):rep(17000)] = 1 } } end }
