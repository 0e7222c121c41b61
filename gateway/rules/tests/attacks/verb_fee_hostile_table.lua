-- expect: runtime
-- ask: fee
return { fee = function() return fee(setmetatable({}, { __index = function() while true do end end })) end }
