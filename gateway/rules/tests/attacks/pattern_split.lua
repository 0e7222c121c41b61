-- expect: step_limit | time_limit | memory_limit
return { check = function()
  local s, kept = ("a,"):rep(2048), {}
  while true do kept[#kept + 1] = s:split(",") end
end }
