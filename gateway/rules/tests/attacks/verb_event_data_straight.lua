-- expect: deliver
-- ask: event
return { event = function(event)
  local t
  REPEAT(3000, t = event.data;)
  return deliver()
end }
