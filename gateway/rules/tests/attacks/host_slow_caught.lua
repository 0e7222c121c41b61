-- expect: host_timeout
return { check = function(_, ctx)
  pcall(ctx.http.get, "https://slow.example/")
  while true do pcall(ctx.http.get, "https://slow.example/") end
end }
