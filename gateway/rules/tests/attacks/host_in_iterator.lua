-- expect: runtime | step_limit
return { check = function(_, ctx)
  for _ in function() return ctx.list("contracts"):has("4") end do end
  return accept()
end }
