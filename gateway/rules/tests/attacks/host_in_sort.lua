-- expect: runtime
return { check = function(_, ctx)
  table.sort({ 2, 1 }, function(a, b) return ctx.list("contracts"):has(a .. b) end)
  return accept()
end }
