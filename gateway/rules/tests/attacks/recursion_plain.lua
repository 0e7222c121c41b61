-- expect: runtime | step_limit | memory_limit
local function f() return 1 + f() end
return { check = f }
