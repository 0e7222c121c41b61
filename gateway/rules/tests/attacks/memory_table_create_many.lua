-- expect: memory_limit
return { check = function() local t = {} while true do t[#t + 1] = table.create(8192, 1) end end }
