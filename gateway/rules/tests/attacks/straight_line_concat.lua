-- expect: accept | memory_limit | time_limit | runtime
-- No loop turn and no call between the steps: bounded by the length of the source alone.
return { check = function()
  local s = ("x"):rep(65536)
  s = s .. s s = s .. s
  local t
  REPEAT(1900, t = s .. 1;)
  return accept()
end }
