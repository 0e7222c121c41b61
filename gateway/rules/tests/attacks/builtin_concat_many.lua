-- expect: step_limit | time_limit
return { check = function()
  local t = table.create(8192, "")
  while true do table.concat(t) end
end }
