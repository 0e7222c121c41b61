-- expect: accept | runtime
-- Freezing what is frozen changes nothing for the next.
pcall(table.freeze, string)
return { check = function() return accept() end }
