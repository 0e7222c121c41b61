-- expect: accept | step_limit | time_limit
sub = 1
return { check = function()
  local long, t = ("x"):rep(60000), {}
  REPEAT(1500, t[1] = string.sub(long, 2) ;)
  return accept()
end }
