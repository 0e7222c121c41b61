-- expect: runtime
return { check = function() return accept { comment = ("x"):rep(65536) } end }
