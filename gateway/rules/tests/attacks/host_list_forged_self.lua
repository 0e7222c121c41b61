-- expect: runtime
return { check = function(request, ctx) return ctx.list("contracts").has(setmetatable({}, { __index = request }), "4") end }
