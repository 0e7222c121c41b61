-- expect: step_limit
return { check = function() for i = 1, 1e15 do end return accept() end }
