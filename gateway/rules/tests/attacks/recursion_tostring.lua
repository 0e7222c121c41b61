-- expect: runtime | step_limit
local t = setmetatable({}, { __tostring = function(t) return tostring(t) end })
return { check = function() return accept { comment = tostring(t) } end }
