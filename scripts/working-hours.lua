-- Payments are taken in working hours by our own clock; on some days not at all.
--
-- Needs nothing. Hours are those of the offset, which does not follow summer time: change it twice a year where there
-- is any. Who passed the check at the last minute may still pay for a while: the cash is in the machine by then.
--!api 1

local OFFSET = "+03:00"
local OPENS, CLOSES = 9 * 60, 21 * 60 -- minutes since midnight
local GRACE = 15 -- minutes behind the end in which a payment still passes
local FREE_WEEKDAYS = { 7 } -- 1 is Monday
local FREE_DATES = { "2027-01-01", "2027-01-07" }

local rules = {}

local function is_open(clock, closes)
  if table.find(FREE_WEEKDAYS, clock.weekday) or table.find(FREE_DATES, clock.date) then
    return false
  end
  local minute = clock.hour * 60 + clock.minute
  return minute >= OPENS and minute < closes
end

function rules.check(request, ctx)
  local closes = if request.command == "pay" then CLOSES + GRACE else CLOSES
  if is_open(ctx.time(OFFSET), closes) then
    return accept()
  end
  -- It passes by itself, so the payment is not refused: the network comes again.
  return retry_later("We take payments from 9 to 21, Moscow time, but for Sundays")
end

local function asks(command)
  return { command = command, account = "1", amount = "10.00 RUB" }
end

-- 2026-11-20 is a Friday.
test("the first minute", { now = "2026-11-20T06:00:00Z", check = asks("check"), expect = accept() })
test("the minute before", { now = "2026-11-20T05:59:59Z", check = asks("check"), expect = retry_later() })
test("the last minute", { now = "2026-11-20T17:59:59Z", check = asks("check"), expect = accept() })
test("the end", { now = "2026-11-20T18:00:00Z", check = asks("check"), expect = retry_later() })
test("a payment behind the end", { now = "2026-11-20T18:14:59Z", check = asks("pay"), expect = accept() })
test("a payment long behind the end", { now = "2026-11-20T18:15:00Z", check = asks("pay"), expect = retry_later() })
test("Saturday", { now = "2026-11-21T09:00:00Z", check = asks("info"), expect = accept() })
test("Sunday here, Saturday in Greenwich", { now = "2026-11-21T21:30:00Z", check = asks("info"), expect = retry_later() })
test("Sunday", { now = "2026-11-22T09:00:00Z", check = asks("pay"), expect = retry_later() })
test("a holiday", { now = "2027-01-01T09:00:00Z", check = asks("check"), expect = retry_later() })
test("another holiday", { now = "2027-01-07T09:00:00Z", check = asks("check"), expect = retry_later() })
test("the day behind it", { now = "2027-01-08T09:00:00Z", check = asks("check"), expect = accept() })

return rules
