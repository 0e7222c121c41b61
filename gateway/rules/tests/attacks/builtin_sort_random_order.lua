-- expect: runtime | step_limit
return { check = function(_, ctx)
  local t = table.create(5000, 1)
  table.sort(t, function() return ctx.random(2) == 1 end)
  return accept()
end }
