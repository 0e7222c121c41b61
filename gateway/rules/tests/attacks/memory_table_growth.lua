-- expect: step_limit | memory_limit
return { check = function() local t = {} while true do t[#t + 1] = { #t } end end }
