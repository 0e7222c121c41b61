-- expect: runtime
create = 1
return { check = function() return vector.create(1, 2, 3) end }
