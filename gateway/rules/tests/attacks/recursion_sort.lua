-- expect: runtime | step_limit
local function f() table.sort({ 1, 2 }, f) end
return { check = f }
