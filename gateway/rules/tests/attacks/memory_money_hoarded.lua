-- expect: step_limit | memory_limit | time_limit
return { check = function() local kept = {} while true do kept[#kept + 1] = money("1 RUB") end end }
