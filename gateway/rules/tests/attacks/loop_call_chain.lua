-- expect: runtime | step_limit | memory_limit
local t = {} setmetatable(t, { __call = function(self) return self() end })
return { check = function() return t() end }
