-- expect: step_limit
local t = setmetatable({}, { __iter = function() return function() return 1 end end })
return { check = function() for x in t do end return accept() end }
