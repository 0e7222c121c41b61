-- expect: bad_answer
return { check = function() return { [accept()] = true } end }
