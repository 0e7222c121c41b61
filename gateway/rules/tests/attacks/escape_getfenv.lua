-- expect: runtime
return { check = function() getfenv(0).stolen = 1 return accept() end }
