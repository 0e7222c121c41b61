-- expect: step_limit | time_limit
return { check = function() local s = ("("):rep(4096) while true do s:find("%b()") end end }
