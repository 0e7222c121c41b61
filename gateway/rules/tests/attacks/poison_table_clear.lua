-- expect: runtime
table.clear(string)
return { check = function() return accept() end }
