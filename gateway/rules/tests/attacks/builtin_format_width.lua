-- expect: runtime
return { check = function() return accept { comment = string.format("%9999d", 1) } end }
