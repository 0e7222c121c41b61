-- expect: runtime
return { check = function() error(setmetatable({}, { __tostring = function() error("again") end })) end }
