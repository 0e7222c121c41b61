-- expect: bad_answer
return { check = function() return true end }
