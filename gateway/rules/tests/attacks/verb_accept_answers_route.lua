-- expect: bad_answer
-- ask: route
return { route = function() return accept() end }
