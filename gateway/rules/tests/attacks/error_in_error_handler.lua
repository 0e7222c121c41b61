-- expect: bad_answer | runtime
return { check = function() return xpcall(error, error) end }
