-- expect: accept | memory_limit | time_limit | runtime
return { check = function()
  local s = ("x"):rep(65536)
  s = s .. s s = s .. s
  local a, b, t = s .. 1, s .. 2
  REPEAT(1900, t = a < b;)
  return accept()
end }
