-- expect: accept
--!optimize 2
--!native
-- Honoured, the comment above would switch inlining on.
local function a(x) return x + 1 end
return { check = function() if a(1) == 2 then return accept() end end }
