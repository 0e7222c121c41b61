-- expect: step_limit | time_limit
return { check = function(_, ctx) while true do pcall(ctx.http.get, "https://forbidden.example/") end end }
