-- expect: step_limit | runtime | memory_limit
local function f() return f() end
return { check = f }
