-- expect: runtime
return { check = function(_, ctx) ctx.log({}) return accept() end }
