-- expect: memory_limit
return { check = function()
  xpcall(function() local s = "x" while true do s = s .. s end end, function(e) return e end)
  return accept()
end }
