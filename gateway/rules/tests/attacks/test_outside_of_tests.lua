-- expect: accept
return { check = function()
  for i = 1, 1000 do test(test, test) end
  return accept()
end }
