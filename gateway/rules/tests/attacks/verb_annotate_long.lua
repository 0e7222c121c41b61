-- expect: runtime
-- ask: event
return { event = function() return annotate { a = ("x"):rep(60000) } end }
