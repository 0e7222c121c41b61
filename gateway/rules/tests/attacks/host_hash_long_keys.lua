-- expect: step_limit | time_limit | runtime
return { check = function(_, ctx)
  local s = ("x"):rep(65536)
  while true do ctx.hash(s, 2) end
end }
