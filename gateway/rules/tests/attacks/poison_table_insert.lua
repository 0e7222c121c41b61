-- expect: runtime
table.insert(math, 1)
return { check = function() return accept() end }
