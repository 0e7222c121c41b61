-- expect: memory_limit
return { check = function() local t = {} while true do t[#t + 1] = table.create(16384, 1) end end }
