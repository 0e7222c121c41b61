-- expect: bad_answer
return { check = function() end }
