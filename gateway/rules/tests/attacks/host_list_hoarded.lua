-- expect: step_limit | time_limit | memory_limit
return { check = function(_, ctx) local t = {} while true do t[#t + 1] = ctx.list("contracts") end end }
