-- expect: time_limit | memory_limit
return { check = function()
  local s = ("x"):rep(60000)
  for i = 1, 40 do end
  local a = s .. 1
  for i = 1, 40 do end
  local b = s .. 2
  for i = 1, 40 do end
  local function work()
    local t
    REPEAT(190, t = a < b;)
  end
  while true do work() end
end }
