-- expect: runtime
-- ask: route
return { route = function() local r = route("a") while true do r = r:fallback("b") end end }
