-- expect: runtime
return { check = function() getmetatable(money("1 RUB")).__add = nil return accept() end }
