-- Which events leave for the webhooks, and what is written beside them: declines that nobody acts on stay here, and
-- every payment gets its segment.
--
-- Needs nothing. Only declines are dropped: what tells of money that moved always leaves.
--!api 1

local DECLINED = "payment.declined"
local SILENT_SERVICES = { "999" } -- whose declines nobody wants to hear of
local CURRENCY = "RUB"
local SMALL = money("10.00 RUB") -- declines below it are people who try out
local LARGE = money("50000.00 RUB")
local SEGMENTS = { ["101"] = "mobile", ["102"] = "housing" }

local rules = {}

local function is_noise(payment)
  if table.find(SILENT_SERVICES, payment.service or "") then return true end
  return payment.amount.currency == CURRENCY and payment.amount < SMALL
end

local function is_large(amount)
  return amount.currency == CURRENCY and amount >= LARGE
end

function rules.event(event)
  local payment = event.payment
  if not payment then return deliver() end
  if event.type == DECLINED and is_noise(payment) then return drop() end
  return annotate {
    segment = SEGMENTS[payment.service or ""] or "other",
    large = is_large(payment.amount),
    amount = payment.amount,
  }
end

local function about(kind, amount, service)
  return { type = kind, payment = { amount = amount, service = service } }
end

test("a decline of a silent service", { event = about("payment.declined", "100.00 RUB", "999"), expect = drop() })
test("a small decline", { event = about("payment.declined", "9.99 RUB", "101"), expect = drop() })
test("a decline that matters", {
  event = about("payment.declined", "10.00 RUB", "101"),
  expect = annotate { segment = "mobile", large = false, amount = money("10.00 RUB") },
})
test("a decline in another currency", {
  event = about("payment.declined", "5.00 USD", "101"),
  expect = annotate { segment = "mobile", large = false, amount = money("5.00 USD") },
})
test("a success of a silent service", {
  event = about("payment.succeeded", "5.00 RUB", "999"),
  expect = annotate { segment = "other", large = false, amount = money("5.00 RUB") },
})
test("a large one", {
  event = about("payment.succeeded", "50000.00 RUB", "102"),
  expect = annotate { segment = "housing", large = true, amount = money("50000.00 RUB") },
})
test("a kopeck less", {
  event = about("payment.succeeded", "49999.99 RUB"),
  expect = annotate { segment = "other", large = false, amount = money("49999.99 RUB") },
})
test("another currency is not compared", {
  event = about("payment.succeeded", "60000.00 USD", "101"),
  expect = annotate { segment = "mobile", large = false, amount = money("60000.00 USD") },
})
test("about no payment", { event = { type = "rules.failed" }, expect = deliver() })

return rules
