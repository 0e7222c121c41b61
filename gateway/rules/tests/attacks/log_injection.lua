-- expect: accept
return { check = function(_, ctx) ctx.log("ok\n2025-01-01 ERROR forged \27[31m\r\0") return accept() end }
