-- expect: runtime | step_limit
local t = setmetatable({}, { __concat = function(a, b) return a .. b end })
return { check = function() return t .. t end }
