-- expect: runtime
getmetatable("").__index = function() return 1 end
return { check = function() return accept() end }
