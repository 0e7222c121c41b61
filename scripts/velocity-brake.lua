-- How often and how much one account may be paid: in ten minutes, in a day, in thirty days.
--
-- Needs nothing: the gateway counts accepted payments under every key that their rule asked for. The payment that is
-- decided is not counted yet. Behind a short window the network comes again by itself; behind a long one it is refused,
-- because cash must not wait in a machine for days.
--!api 1

local CURRENCY = "RUB"
local LIMITS = {
  { window = "10m", count = 3, sum = money("15000.00 RUB"), passes = true },
  { window = "1d", count = 10, sum = money("60000.00 RUB"), passes = false },
  { window = "30d", count = 60, sum = money("300000.00 RUB"), passes = false },
}

local rules = {}

local function is_over(limit, totals, amount)
  local sum = (totals.sums[CURRENCY] or money("0.00", CURRENCY)) + amount
  return totals.count >= limit.count or sum > limit.sum
end

function rules.check(request, ctx)
  -- Before the payment the amount may mean nothing: then only what has passed counts.
  local amount = money("0.00", CURRENCY)
  if request.command == "pay" then
    if not request.amount or request.amount.currency ~= CURRENCY then
      return reject("forbidden", "Only " .. CURRENCY)
    end
    amount = request.amount
  end
  local windows = {}
  for _, limit in ipairs(LIMITS) do table.insert(windows, limit.window) end
  local recent = ctx.velocity(request.account, windows)
  -- The longest window first: what is refused there does not pass by waiting.
  for place = #LIMITS, 1, -1 do
    local limit = LIMITS[place]
    -- Alone above a limit: no waiting helps.
    if amount > limit.sum then
      return reject("amount_too_large", "At most " .. LIMITS[1].sum)
    end
    if is_over(limit, recent[limit.window], amount) then
      ctx.log("over the limit of " .. limit.window)
      if limit.passes then return retry_later("Too often; come back a little later") end
      return reject("forbidden", "The limit of this account is reached")
    end
  end
  return accept()
end

local function pays(amount)
  return { command = "pay", account = "7", amount = amount }
end
local function passed(window, count, sum)
  return { ["7"] = { [window] = { count = count, sum = sum } } }
end

test("the first one", { check = pays("15000.00 RUB"), expect = accept() })
test("too much at once", { check = pays("15000.01 RUB"), expect = reject("amount_too_large", "At most 15000.00 RUB") })
test("the third of ten minutes", { check = pays("1.00 RUB"), velocity = passed("10m", 2, "2.00 RUB"), expect = accept() })
test("the fourth", { check = pays("1.00 RUB"), velocity = passed("10m", 3, "3.00 RUB"), expect = retry_later() })
test("together just enough", { check = pays("100.00 RUB"), velocity = passed("10m", 1, "14900.00 RUB"), expect = accept() })
test("together too much", { check = pays("100.01 RUB"), velocity = passed("10m", 1, "14900.00 RUB"), expect = retry_later() })
test("the tenth of a day", { check = pays("1.00 RUB"), velocity = passed("1d", 9, "9.00 RUB"), expect = accept() })
test("the eleventh", {
  check = pays("1.00 RUB"),
  velocity = passed("1d", 10, "10.00 RUB"),
  expect = reject("forbidden", "The limit of this account is reached"),
})
test("the sum of a day", { check = pays("1.01 RUB"), velocity = passed("1d", 1, "59999.00 RUB"), expect = reject("forbidden") })
test("exactly the sum of a day", { check = pays("1.00 RUB"), velocity = passed("1d", 1, "59999.00 RUB"), expect = accept() })
test("the sum of thirty days", { check = pays("1.01 RUB"), velocity = passed("30d", 1, "299999.00 RUB"), expect = reject("forbidden") })
test("exactly the sum of thirty days", { check = pays("1.00 RUB"), velocity = passed("30d", 1, "299999.00 RUB"), expect = accept() })
test("the sixtieth of thirty days", { check = pays("1.00 RUB"), velocity = passed("30d", 59, "59.00 RUB"), expect = accept() })
test("the one behind it", { check = pays("1.00 RUB"), velocity = passed("30d", 60, "60.00 RUB"), expect = reject("forbidden") })
test("long before short", {
  check = pays("1.00 RUB"),
  velocity = { ["7"] = { ["10m"] = { count = 3 }, ["1d"] = { count = 10 } } },
  expect = reject("forbidden"),
})
test("a check does not look at its amount", { check = { account = "7", amount = "99999.00 RUB" }, expect = accept() })
test("a check at exactly the sum", {
  check = { account = "7", amount = "1.00 RUB" },
  velocity = passed("10m", 1, "15000.00 RUB"),
  expect = accept(),
})
test("a check without an amount", {
  check = { command = "info", account = "7" },
  velocity = passed("10m", 3, "3.00 RUB"),
  expect = retry_later(),
})
test("another account's payments", {
  check = { command = "pay", account = "8", amount = "1.00 RUB" },
  velocity = passed("10m", 3, "3.00 RUB"),
  expect = accept(),
})
test("another currency", { check = pays("1.00 USD"), expect = reject("forbidden", "Only RUB") })

return rules
