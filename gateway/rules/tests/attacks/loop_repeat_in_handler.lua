-- expect: step_limit
return { check = function() repeat local x = 1 until false end }
