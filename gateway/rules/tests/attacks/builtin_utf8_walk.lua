-- expect: step_limit | time_limit
return { check = function() local s = ("я"):rep(32000) while true do utf8.len(s) end end }
