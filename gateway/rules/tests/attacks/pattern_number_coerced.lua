-- expect: runtime
-- A number is text to the pattern functions; its text is short, so only the pattern can be hostile.
return { check = function() return string.find(12345, ("%d"):rep(50)) end }
