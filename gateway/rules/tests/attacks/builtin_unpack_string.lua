-- expect: runtime | bad_answer | memory_limit
return { check = function() return string.unpack(("b"):rep(60000), ("x"):rep(60000)) end }
