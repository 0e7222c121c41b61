-- expect: memory_limit | runtime
return { check = function()
  local s = ("a"):rep(4096)
  local r = ("b"):rep(65536)
  return accept { comment = (s:gsub("a", r)) }
end }
