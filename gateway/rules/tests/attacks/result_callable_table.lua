-- expect: bad_answer
return setmetatable({}, { __index = function() return function() return accept() end end })
