-- expect: runtime
return { check = function(_, ctx)
  return ctx.http.get("https://a.example/", { headers = { ["x-a"] = "b\r\nhost: evil.example" } })
end }
