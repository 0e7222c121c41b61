-- expect: runtime
return { check = function() local s = ("a"):rep(5000) return s:gsub("a", "b") end }
