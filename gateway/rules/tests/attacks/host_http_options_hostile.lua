-- expect: runtime
return { check = function(_, ctx)
  local spin = function() while true do end end
  return ctx.http.get("https://a.example/", setmetatable({}, { __index = spin, __iter = spin, __len = spin }))
end }
