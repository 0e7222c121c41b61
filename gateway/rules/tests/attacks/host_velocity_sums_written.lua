-- expect: runtime
return { check = function(_, ctx) ctx.velocity("k", "1h").sums.RUB = money("1 RUB") return accept() end }
