-- expect: runtime
return { check = function(_, ctx) return ctx.velocity("k", table.create(8000, "1h")) end }
