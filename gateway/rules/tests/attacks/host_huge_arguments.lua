-- expect: runtime
return { check = function(_, ctx) return ctx.hash(("x"):rep(1000), 2 ^ 60) end }
