-- expect: runtime
-- ask: route
return { route = function() return route("a\27[2J") end }
