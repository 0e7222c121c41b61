-- expect: runtime
return { check = function(_, ctx)
  local t = setmetatable({}, { __index = function() return ctx.list("contracts"):has("4") end })
  return accept { comment = tostring(t.x) }
end }
