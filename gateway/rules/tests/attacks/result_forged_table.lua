-- expect: bad_answer
return { check = function() return setmetatable({}, { __index = function() return "accept" end, __type = "Answer" }) end }
