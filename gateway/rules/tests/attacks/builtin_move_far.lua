-- expect: runtime
return { check = function() table.move({}, 1, 1e9, 2) return accept() end }
