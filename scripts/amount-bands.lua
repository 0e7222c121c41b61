-- The least and the most that may be paid at once, by service.
--
-- Needs nothing. `service` is what the network calls prv_id; services without a band of their own take the common one.
-- The amount is looked at when it is paid: before, the network may send one that means nothing.
--!api 1

local CURRENCY = "RUB"
local BANDS = {
  ["101"] = { least = money("10.00 RUB"), most = money("15000.00 RUB") }, -- mobile
  ["102"] = { least = money("100.00 RUB"), most = money("100000.00 RUB") }, -- housing
}
local COMMON = { least = money("1.00 RUB"), most = money("5000.00 RUB") }

local rules = {}

function rules.check(request)
  if request.command ~= "pay" then
    return accept()
  end
  local amount = request.amount
  if not amount then
    return reject("invalid_request", "A payment without an amount")
  end
  if amount.currency ~= CURRENCY then
    return reject("forbidden", "Only " .. CURRENCY)
  end
  local band = BANDS[request.service or ""] or COMMON
  if amount < band.least then
    return reject("amount_too_small", "At least " .. band.least)
  end
  if amount > band.most then
    return reject("amount_too_large", "At most " .. band.most)
  end
  return accept()
end

local function pays(amount, service)
  return { command = "pay", account = "1", amount = amount, service = service }
end

test("a check is not held to the band", { check = { account = "1", amount = "0.01 RUB" }, expect = accept() })
test("the least of a service", { check = pays("10.00 RUB", "101"), expect = accept() })
test("below it", { check = pays("9.99 RUB", "101"), expect = reject("amount_too_small", "At least 10.00 RUB") })
test("the most of a service", { check = pays("15000.00 RUB", "101"), expect = accept() })
test("above it", { check = pays("15000.01 RUB", "101"), expect = reject("amount_too_large", "At most 15000.00 RUB") })
test("exactly that least", { check = pays("100.00 RUB", "102"), expect = accept() })
test("another service, another least", { check = pays("99.99 RUB", "102"), expect = reject("amount_too_small") })
test("another service, another most", { check = pays("100000.00 RUB", "102"), expect = accept() })
test("more than another's most", { check = pays("100000.01 RUB", "102"), expect = reject("amount_too_large") })
test("the common most", { check = pays("5000.00 RUB"), expect = accept() })
test("above the common", { check = pays("5000.01 RUB", "999"), expect = reject("amount_too_large") })
test("the common least", { check = pays("1.00 RUB"), expect = accept() })
test("below the common", { check = pays("0.99 RUB"), expect = reject("amount_too_small") })
test("another currency", { check = pays("100.00 USD", "101"), expect = reject("forbidden", "Only RUB") })
test("no amount", { check = pays(nil, "101"), expect = reject("invalid_request") })

return rules
