-- expect: runtime
return { check = function() return accept { comment = ("x"):rep(0 / 0) } end }
