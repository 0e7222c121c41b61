-- expect: runtime
return { check = function(_, ctx) return ctx.http.get("gopher://127.0.0.1:6379/_FLUSHALL") end }
