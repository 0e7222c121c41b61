-- expect: time_limit
-- As many operators as one function may have, on the longest text there can be, as often as the clock allows.
return { check = function()
  local s = ("0"):rep(65536)
  for i = 1, 40 do end
  s = s .. s
  for i = 1, 40 do end
  local function work()
    local t
    REPEAT(190, t = s + 1;)
  end
  while true do work() end
end }
