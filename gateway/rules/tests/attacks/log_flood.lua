-- expect: accept
return { check = function(_, ctx) for i = 1, 500 do ctx.log(("x"):rep(5000)) end return accept() end }
