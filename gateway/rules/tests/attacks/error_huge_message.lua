-- expect: runtime | memory_limit
return { check = function()
  local s = ("x"):rep(65536)
  for i = 1, 4 do s = s .. s end
  error(s)
end }
