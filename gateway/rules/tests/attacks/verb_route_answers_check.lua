-- expect: bad_answer
return { check = function() return route("a") end }
