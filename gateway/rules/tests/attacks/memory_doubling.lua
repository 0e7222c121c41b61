-- expect: memory_limit
return { check = function() local s = "x" while true do s = s .. s end end }
