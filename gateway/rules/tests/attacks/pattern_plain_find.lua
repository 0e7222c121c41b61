-- expect: step_limit | time_limit
return { check = function()
  local text, wanted = ("a"):rep(4096), ("a"):rep(63) .. "b"
  while true do text:find(wanted, 1, true) end
end }
