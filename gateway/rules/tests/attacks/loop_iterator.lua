-- expect: step_limit
return { check = function() for x in function() return 1 end do end return accept() end }
