-- expect: memory_limit
-- Caught and answered anyway: what follows would depend on the garbage collector.
return { check = function()
  pcall(function() local s = "x" while true do s = s .. s end end)
  return accept()
end }
