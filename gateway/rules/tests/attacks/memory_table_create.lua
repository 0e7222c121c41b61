-- expect: runtime
return { check = function() return table.create(1e9) end }
