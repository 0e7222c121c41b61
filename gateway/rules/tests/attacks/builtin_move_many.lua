-- expect: memory_limit | step_limit | time_limit | runtime
return { check = function()
  local t = table.create(16384, 1)
  for i = 1, 1e9 do table.move(t, 1, 16384, #t + 1, t) end
end }
