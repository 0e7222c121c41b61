-- expect: time_limit | memory_limit
return { check = function()
  local s = ("x"):rep(65536)
  for i = 1, 40 do end
  local function work()
    local t
    REPEAT(190, t = s .. 1;)
  end
  while true do work() end
end }
