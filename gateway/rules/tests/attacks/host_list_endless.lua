-- expect: runtime
return { check = function(_, ctx) local list = ctx.list("contracts") while true do list:has("4") end end }
