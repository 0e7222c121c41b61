-- expect: runtime
return { check = function()
  local t = {}
  for i = 1, 5000 do t[i] = { name = "a", value = i } end
  return accept { fields = t }
end }
