-- expect: runtime
return { check = function() return accept { comment = (""):rep(1e300) .. ("x"):rep(1e300) } end }
