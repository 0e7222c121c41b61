-- expect: step_limit | runtime
return { check = function()
  local t = table.create(8192, 1)
  while true do table.sort(t, rawequal) end
end }
