-- expect: runtime | memory_limit
return { check = function() return accept { comment = string.pack("c2000000000", "") } end }
