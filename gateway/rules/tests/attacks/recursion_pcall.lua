-- expect: runtime | step_limit | bad_answer
local function f() return pcall(f) end
return { check = f }
