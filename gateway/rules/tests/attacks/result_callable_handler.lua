-- expect: bad_answer
return { check = setmetatable({}, { __call = function() return accept() end }) }
