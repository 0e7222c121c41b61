-- expect: step_limit | time_limit
return { check = function()
  local t = {}
  for i = 1, 4000 do t["k" .. i] = i end
  for i = 1, 3999 do t["k" .. i] = nil end
  while true do next(t) end
end }
