-- expect: accept | runtime
return { check = function(_, ctx)
  xpcall(error, function() return ctx.list("contracts"):has("4") end)
  return accept()
end }
