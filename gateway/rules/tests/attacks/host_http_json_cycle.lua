-- expect: runtime
return { check = function(_, ctx) local t = {} t.t = t return ctx.http.post("https://a.example/", { json = t }) end }
