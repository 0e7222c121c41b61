-- expect: step_limit | time_limit | memory_limit
return { check = function(_, ctx)
  local answer = ctx.http.get("https://a.example/")
  while true do answer.json() end
end }
