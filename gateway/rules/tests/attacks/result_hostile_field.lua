-- expect: runtime
return { check = function()
  local spin = function() while true do end end
  return accept { fields = { a = setmetatable({}, { __tostring = spin }) } }
end }
