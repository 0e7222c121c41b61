-- expect: runtime
return { check = function(_, ctx) setmetatable(ctx, {}) return accept() end }
