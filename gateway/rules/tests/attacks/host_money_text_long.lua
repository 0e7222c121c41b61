-- expect: runtime
return { check = function() return money(("9"):rep(65536) .. " RUB") end }
