-- expect: runtime
return { check = function() return ("a"):find(("[ab]"):rep(100)) end }
