-- expect: runtime
local ctx = ctx
return { check = function() return accept() end, x = ctx.list("contracts"):has("4") }
