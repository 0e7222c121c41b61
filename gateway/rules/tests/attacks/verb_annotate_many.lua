-- expect: runtime | memory_limit
-- ask: event
return { event = function() local t = {} for i = 1, 3000 do t["k" .. i] = i end return annotate(t) end }
