-- expect: step_limit | time_limit | runtime
return { check = function()
  local t = {}
  for i = 1, 9000 do t[i] = (i * 7919) % 9001 end
  while true do table.sort(t) end
end }
