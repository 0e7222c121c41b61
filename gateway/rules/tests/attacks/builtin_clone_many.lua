-- expect: memory_limit | step_limit | time_limit
return { check = function()
  local t, kept = table.create(8192, 1), {}
  while true do kept[#kept + 1] = table.clone(t) end
end }
