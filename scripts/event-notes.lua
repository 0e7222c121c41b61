-- Which events leave for the webhooks, and what is written beside them: noise stays here, payments get a segment.
--
-- Needs nothing. Events of money that moved are never dropped by this script.
--!api 1

local NOISE = { "payment.created", "payment.pending" }
local TEST_SERVICE = "999" -- whose payments nobody wants to hear of before they succeed
local CURRENCY = "RUB"
local LARGE = money("50000.00 RUB")
local SEGMENTS = { ["101"] = "mobile", ["102"] = "housing" }

local rules = {}

local function is_large(amount)
  return amount.currency == CURRENCY and amount >= LARGE
end

function rules.event(event)
  local payment = event.payment
  if table.find(NOISE, event.type) then return drop() end
  if not payment then return deliver() end
  if payment.service == TEST_SERVICE and event.type == "payment.failed" then return drop() end
  return annotate {
    segment = SEGMENTS[payment.service or ""] or "other",
    large = is_large(payment.amount),
    amount = payment.amount,
  }
end

local function about(kind, amount, service)
  return { type = kind, payment = { amount = amount, service = service } }
end

test("noise", { event = about("payment.created", "10.00 RUB", "101"), expect = drop() })
test("more noise", { event = about("payment.pending", "10.00 RUB", "101"), expect = drop() })
test("a failure of a test", { event = about("payment.failed", "10.00 RUB", "999"), expect = drop() })
test("a failure of a payment", {
  event = about("payment.failed", "10.00 RUB", "101"),
  expect = annotate { segment = "mobile", large = false, amount = money("10.00 RUB") },
})
test("a test that succeeds is told", {
  event = about("payment.succeeded", "10.00 RUB", "999"),
  expect = annotate { segment = "other", large = false, amount = money("10.00 RUB") },
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
  event = about("payment.refunded", "60000.00 USD", "101"),
  expect = annotate { segment = "mobile", large = false, amount = money("60000.00 USD") },
})
test("about no payment", { event = { type = "rules.failed" }, expect = deliver() })

return rules
