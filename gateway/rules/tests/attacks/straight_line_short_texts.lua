-- expect: time_limit | step_limit
-- Texts so short that the clock is looked at only now and then.
return { check = function()
  local s = ("0"):rep(8000)
  local function work()
    local t
    REPEAT(190, t = s + 1;)
  end
  while true do work() end
end }
