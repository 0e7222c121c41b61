-- expect: runtime | step_limit | bad_answer | memory_limit
local function f() return pcall(f) end
return { check = f }
