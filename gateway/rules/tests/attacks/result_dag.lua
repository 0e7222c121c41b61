-- expect: runtime
return { check = function()
  local t = {}
  for i = 1, 24 do t = { t, t } end
  return accept { fields = t }
end }
