-- expect: runtime
return { check = function(_, ctx) return ctx.http.get("https://a.example/", { headers = { HOST = "evil.example" } }) end }
