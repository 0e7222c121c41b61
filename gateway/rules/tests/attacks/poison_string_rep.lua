-- expect: runtime
string.rep = function() return "poisoned" end
return { check = function() return accept() end }
