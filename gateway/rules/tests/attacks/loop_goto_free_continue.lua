-- expect: step_limit
return { check = function() while true do if true then continue end end end }
