-- expect: runtime
-- Few bytes, many entries.
return { check = function()
  local t = {}
  for i = 1, 300 do t[i] = { name = "a", value = 1 } end
  return accept { fields = t }
end }
