-- expect: step_limit
return { check = function()
  xpcall(function() while true do end end, function() while true do end end)
  return accept()
end }
