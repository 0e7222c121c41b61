-- expect: step_limit
return { check = function()
  local n = 20
  return ("a"):rep(n):find(("a?"):rep(n) .. ("a"):rep(n))
end }
