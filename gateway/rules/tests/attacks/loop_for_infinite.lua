-- expect: step_limit
return { check = function() for i = 1, math.huge do end return accept() end }
