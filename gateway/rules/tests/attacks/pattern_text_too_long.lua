-- expect: runtime
return { check = function() return ("a"):rep(5000):match("^a*$") end }
