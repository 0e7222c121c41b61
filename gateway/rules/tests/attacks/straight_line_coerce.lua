-- expect: accept | memory_limit | time_limit | runtime
return { check = function()
  local s = ("0"):rep(65536)
  s = s .. s s = s .. s
  local t
  REPEAT(1900, t = s + 1;)
  return accept()
end }
