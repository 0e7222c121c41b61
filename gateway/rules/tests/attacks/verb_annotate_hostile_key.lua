-- expect: runtime
-- ask: event
return { event = function() return annotate { [setmetatable({}, { __tostring = function() while true do end end })] = 1 } end }
