-- expect: runtime | memory_limit
return { check = function()
  local s = ("A"):rep(65536)
  for i = 1, 4 do s = s .. s end
  return accept { comment = s:lower() }
end }
