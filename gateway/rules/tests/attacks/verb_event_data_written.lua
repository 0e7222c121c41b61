-- expect: runtime
-- ask: event
return { event = function(event) rawset(event.data, "x", 1) return deliver() end }
