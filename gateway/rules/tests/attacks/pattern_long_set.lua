-- expect: step_limit | time_limit
return { check = function()
  local s = ("a"):rep(4096)
  local set = "[" .. ("b"):rep(58) .. "a]*z"
  while true do s:find(set) end
end }
