-- expect: accept
-- The table is read when the verb is called: what happens to it later changes nothing.
return { check = function()
  local t = {}
  local answer = accept(t)
  t.comment = ("x"):rep(60000)
  return answer
end }
