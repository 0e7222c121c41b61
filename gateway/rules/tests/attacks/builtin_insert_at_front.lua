-- expect: step_limit | time_limit | runtime
return { check = function()
  local t = table.create(8000, 1)
  while true do table.insert(t, 1, 2) table.remove(t, 1) end
end }
