-- expect: step_limit | memory_limit | runtime
return { check = function()
  local function f() pcall(f) while true do end end
  while true do pcall(f) end
end }
