-- expect: bad_answer
return { check = function() return accept(), reject("forbidden") end }
