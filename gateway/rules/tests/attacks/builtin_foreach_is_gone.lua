-- expect: runtime
return { check = function() table.foreach(table.create(16384, 1), type) return accept() end }
