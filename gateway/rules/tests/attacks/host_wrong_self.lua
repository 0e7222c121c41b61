-- expect: runtime
return { check = function(request, ctx) return ctx.random(request) end }
