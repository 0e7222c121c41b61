-- expect: runtime | step_limit
local m = {} m.__lt = function(a, b) return a < b end
local a, b = setmetatable({}, m), setmetatable({}, m)
return { check = function() return a < b end }
