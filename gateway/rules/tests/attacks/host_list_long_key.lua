-- expect: runtime
return { check = function(_, ctx) return ctx.list("contracts"):has(("x"):rep(65536)) end }
