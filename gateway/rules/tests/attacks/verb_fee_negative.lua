-- expect: runtime
-- ask: fee
return { fee = function(payment) return fee(payment.amount - payment.amount - payment.amount) end }
