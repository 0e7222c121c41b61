-- expect: step_limit
local function spin() while true do end end
return { check = function() while true do pcall(spin) end end }
