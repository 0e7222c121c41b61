-- expect: runtime
setmetatable("", {})
return { check = function() return accept() end }
