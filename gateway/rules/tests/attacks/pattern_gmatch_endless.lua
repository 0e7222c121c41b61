-- expect: step_limit
return { check = function() while true do for _ in ("aaaa"):gmatch("") do end end end }
