-- expect: runtime
rawset(string, "rep", 1)
return { check = function() return accept() end }
