-- expect: step_limit | memory_limit
return { check = function() local f = nil while true do local g = f f = function() return g end end end }
