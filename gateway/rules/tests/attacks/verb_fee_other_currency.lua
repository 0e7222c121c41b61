-- expect: runtime
-- ask: fee
return { fee = function() return fee(money("1 USD")) end }
