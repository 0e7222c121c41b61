-- expect: runtime
-- Answers live outside the VM's memory limit.
return { check = function()
  local kept, text = {}, ("x"):rep(100)
  for i = 1, 300 do kept[i] = accept { comment = text } end
  return kept[1]
end }
