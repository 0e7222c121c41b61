-- expect: compile_error
-- More operators than one script may have.
local s, t = ("0"):rep(65536), nil
REPEAT(4000, t = s + 1;)
return {}
