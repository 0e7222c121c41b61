-- expect: memory_limit
-- A script that pretends costs itself its VM and nothing else.
return { check = function() pcall(error, "not enough memory", 0) return accept() end }
