-- expect: runtime
return { check = function()
  local spin = function() while true do end end
  return accept(setmetatable({}, { __index = spin, __iter = spin, __len = spin, __tostring = spin }))
end }
