-- expect: runtime
return { check = function() return accept { comment = "\27[2J" } end }
