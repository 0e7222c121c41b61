-- expect: step_limit | runtime
local function f() return f() end
return { check = f }
