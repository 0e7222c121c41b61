-- expect: step_limit | time_limit
return { check = function()
  local t = table.create(8192, 1)
  while true do table.find(t, 2) end
end }
