-- expect: step_limit | time_limit
return { check = function()
  local s = ("a"):rep(65536)
  local one, two, t = s .. "1", s .. "2", {}
  for i = 1, 2000 do t[i] = if i % 2 == 0 then one else two end
  table.sort(t)
  return accept()
end }
