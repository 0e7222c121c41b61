-- expect: runtime | bad_answer
return { check = function() return table.unpack(table.create(7900, {}), 1, 7900) end }
