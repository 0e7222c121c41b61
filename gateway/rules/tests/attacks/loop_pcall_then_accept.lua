-- expect: step_limit
-- The stop is swallowed and an acceptance prepared beforehand is returned: it must not count.
return { check = function()
  local prepared = accept()
  pcall(function() while true do end end)
  return prepared
end }
