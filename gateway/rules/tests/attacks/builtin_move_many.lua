-- expect: memory_limit | step_limit | time_limit | runtime
return { check = function()
  local t = table.create(8192, 1)
  for i = 1, 1e9 do table.move(t, 1, 8192, #t + 1, t) end
end }
