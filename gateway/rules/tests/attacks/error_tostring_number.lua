-- expect: runtime
return { check = function() error(setmetatable({}, { __tostring = function() return 1 end })) end }
