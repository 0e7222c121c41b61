-- expect: runtime | step_limit | time_limit
return { check = function(_, ctx)
  local many = table.create(7900, "x")
  while true do pcall(ctx.log, table.unpack(many)) end
end }
