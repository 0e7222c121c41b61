-- expect: runtime | step_limit
local function f() return (("x"):gsub(".", f)) end
return { check = f }
