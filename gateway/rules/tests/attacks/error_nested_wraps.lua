-- expect: runtime | step_limit
local function wrap(depth)
  if depth == 0 then error("core") end
  local ok, e = pcall(wrap, depth - 1)
  error("again: " .. tostring(e))
end
return { check = function() wrap(150) end }
