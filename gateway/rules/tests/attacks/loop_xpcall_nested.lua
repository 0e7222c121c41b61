-- expect: step_limit | time_limit
local function again() return xpcall(error, again) end
return { check = function() while true do again() end end }
