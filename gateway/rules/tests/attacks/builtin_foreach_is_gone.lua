-- expect: runtime
return { check = function() table.foreach(table.create(8192, 1), type) return accept() end }
