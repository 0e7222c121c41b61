-- expect: accept
return { check = function(_, ctx)
  local answer, t = ctx.http.get("https://a.example/"), nil
  REPEAT(3000, t = answer.body;)
  return accept()
end }
