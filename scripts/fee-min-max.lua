-- What the payer pays on top: a percentage with a least and a most, by currency and way of paying.
--
-- Needs nothing. The percentage is text and its rounding has a name, so the fee is exact to the last kopeck. It is the
-- same whenever it is asked: the fee that was shown is the fee.
-- Currencies without a tariff are an error of the rule: refuse them in `check` or `route`, so that it never comes to it.
--!api 1

local ROUNDING = "half_up"
local TARIFFS = {
  RUB = {
    card = { percent = "2.5", least = money("15.00 RUB"), most = money("500.00 RUB") },
    sbp = { percent = "0.7", least = money("0.00 RUB"), most = money("100.00 RUB") },
    other = { percent = "1.5", least = money("10.00 RUB"), most = money("300.00 RUB") },
  },
  USD = {
    other = { percent = "3", least = money("0.30 USD"), most = money("20.00 USD") },
  },
}
local FREE_SERVICES = { "777" } -- paid by us

local rules = {}

local function within(amount, least, most)
  if amount < least then return least end
  if amount > most then return most end
  return amount
end

function rules.fee(payment)
  if payment.service and table.find(FREE_SERVICES, payment.service) then
    return no_fee()
  end
  local tariffs = TARIFFS[payment.amount.currency]
  -- Better no payment than one at a price that nobody has set.
  if not tariffs then error("there is no tariff for " .. payment.amount.currency) end
  local tariff = tariffs[payment.method or ""] or tariffs.other
  local amount = within(payment.amount:percent(tariff.percent, ROUNDING), tariff.least, tariff.most)
  return fee { amount = amount, text = `Fee of {tariff.percent} %, from {tariff.least} to {tariff.most}` }
end

local function pays(amount, method)
  return { amount = amount, method = method }
end

test("between", {
  fee = pays("1000.00 RUB", "card"),
  expect = fee { amount = money("25.00 RUB"), text = "Fee of 2.5 %, from 15.00 RUB to 500.00 RUB" },
})
test("half a kopeck goes up", { fee = pays("1000.20 RUB", "card"), expect = fee(money("25.01 RUB")) })
test("less than half of one does not", { fee = pays("1000.19 RUB", "card"), expect = fee(money("25.00 RUB")) })
test("at least", { fee = pays("599.79 RUB", "card"), expect = fee(money("15.00 RUB")) })
test("a kopeck above the least", { fee = pays("600.20 RUB", "card"), expect = fee(money("15.01 RUB")) })
test("at most", { fee = pays("1000000.00 RUB", "card"), expect = fee(money("500.00 RUB")) })
test("a kopeck below the most", { fee = pays("19999.60 RUB", "card"), expect = fee(money("499.99 RUB")) })
test("by the fast system", { fee = pays("1000.00 RUB", "sbp"), expect = fee(money("7.00 RUB")) })
test("the most of the fast system", { fee = pays("100000.00 RUB", "sbp"), expect = fee(money("100.00 RUB")) })
test("so little that it costs nothing", { fee = pays("0.50 RUB", "sbp"), expect = fee(money("0.00 RUB")) })
test("any other way", { fee = pays("1000.00 RUB", "wallet"), expect = fee(money("15.00 RUB")) })
test("any other way, at least", { fee = pays("100.00 RUB"), expect = fee(money("10.00 RUB")) })
test("any other way, at most", { fee = pays("50000.00 RUB"), expect = fee(money("300.00 RUB")) })
test("dollars", { fee = pays("100.00 USD", "card"), expect = fee(money("3.00 USD")) })
test("dollars, at least", { fee = pays("1.00 USD"), expect = fee(money("0.30 USD")) })
test("dollars, at most", { fee = pays("5000.00 USD"), expect = fee(money("20.00 USD")) })
test("a service that we pay for", { fee = { amount = "100.00 RUB", service = "777" }, expect = no_fee() })
test("a service like any other", { fee = { amount = "100.00 RUB", service = "778" }, expect = fee(money("10.00 RUB")) })
test("a currency without a tariff", { fee = pays("100.00 EUR"), expect = "runtime" })

return rules
