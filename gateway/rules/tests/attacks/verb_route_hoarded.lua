-- expect: runtime
-- ask: route
return { route = function() local t = {} for i = 1, 1000 do t[i] = route("a" .. i) end return t[1] end }
