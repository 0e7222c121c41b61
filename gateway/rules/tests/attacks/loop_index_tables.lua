-- expect: runtime
local t = {} setmetatable(t, { __index = t })
return { check = function() return t.x end }
