-- expect: runtime
return { check = function() return accept { comment = ("x"):rep(1e9) } end }
