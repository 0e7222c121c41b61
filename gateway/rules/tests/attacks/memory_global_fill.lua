-- expect: memory_limit | step_limit
return { check = function() local i = 0 while true do i += 1 kept = { kept, ("x"):rep(60000) .. i } end end }
