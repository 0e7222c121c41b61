-- expect: step_limit | runtime
local t = setmetatable({}, { __index = function(t, k) return t[k] end })
return { check = function() return t.x end }
