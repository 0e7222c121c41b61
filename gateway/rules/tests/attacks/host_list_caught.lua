-- expect: step_limit | time_limit
return { check = function(_, ctx) local list = ctx.list("contracts") while true do pcall(list.has, list, "4") end end }
