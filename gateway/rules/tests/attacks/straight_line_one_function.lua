-- expect: compile_error
-- More operators than one function may have.
local s, t = ("0"):rep(65536), nil
REPEAT(1900, t = s + 1;)
return {}
