-- expect: runtime
return { check = function(_, ctx)
  local t = {}
  for i = 1, 30 do t = { a = t, b = t } end
  return ctx.http.post("https://a.example/", { json = t })
end }
