-- expect: accept | runtime
-- The windows are read when asked and again when answered.
return { check = function(_, ctx)
  local windows = setmetatable({ "1h" }, { __index = function() return "1d" end, __len = function() return 1e9 end })
  pcall(ctx.velocity, "k", windows)
  return accept()
end }
