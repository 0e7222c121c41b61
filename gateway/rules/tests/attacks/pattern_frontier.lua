-- expect: step_limit | time_limit
return { check = function() local s = ("a"):rep(4096) while true do s:find("%f[b]%f[b]b") end end }
