-- Cards go to the acquirer of their currency; in roubles, the cards of some banks to that bank's own.
--
-- Needs the connections that are named here. A BIN is the first six to eight digits of the card: the longest of the
-- table that fits is taken.
--!api 1

local BY_CURRENCY = { RUB = "card-main", USD = "card-usd", EUR = "card-eur" }
local BIN_CURRENCY = "RUB"
local BY_BIN = {
  ["427655"] = "card-bank-a",
  ["42765512"] = "card-bank-a-gold",
  ["220070"] = "card-bank-b",
}
local BIN_LONGEST, BIN_SHORTEST = 8, 6
local OTHERS = { sbp = "sbp-main", wallet = "wallet-main" } -- what is no card, in roubles

local rules = {}

local function by_bin(bin)
  for length = BIN_LONGEST, BIN_SHORTEST, -1 do
    local connection = BY_BIN[bin:sub(1, length)]
    if connection then return connection end
  end
  return nil
end

function rules.route(payment)
  local currency = payment.amount.currency
  if payment.method ~= "card" then
    local connection = OTHERS[payment.method or ""]
    if connection and currency == BIN_CURRENCY then return route(connection) end
    return reject("forbidden", "This way of paying is not taken")
  end
  local connection = BY_CURRENCY[currency]
  if not connection then
    return reject("forbidden", "Cards are not charged in " .. currency)
  end
  local own = if currency == BIN_CURRENCY then by_bin(payment.bin or "") else nil
  if own then return route(own):fallback(connection) end
  return route(connection)
end

local function card(amount, bin)
  return { amount = amount, method = "card", bin = bin }
end

test("a bank's own", { route = card("100.00 RUB", "427655"), expect = route("card-bank-a"):fallback("card-main") })
test("a part of a bank", { route = card("100.00 RUB", "42765512"), expect = route("card-bank-a-gold"):fallback("card-main") })
test("the rest of it", { route = card("100.00 RUB", "42765513"), expect = route("card-bank-a"):fallback("card-main") })
test("another bank", { route = card("100.00 RUB", "2200701"), expect = route("card-bank-b"):fallback("card-main") })
test("any other card", { route = card("100.00 RUB", "510000"), expect = route("card-main") })
test("a card without a BIN", { route = card("100.00 RUB"), expect = route("card-main") })
test("dollars do not look at the bank", { route = card("100.00 USD", "427655"), expect = route("card-usd") })
test("euros", { route = card("100.00 EUR"), expect = route("card-eur") })
test("a currency that nobody takes", { route = card("100.00 GBP"), expect = reject("forbidden", "Cards are not charged in GBP") })
test("no card", { route = { amount = "100.00 RUB", method = "sbp" }, expect = route("sbp-main") })
test("no card, no roubles", { route = { amount = "100.00 USD", method = "wallet" }, expect = reject("forbidden") })
test("an unknown way", { route = { amount = "100.00 RUB", method = "cash" }, expect = reject("forbidden") })
test("no way at all", { route = { amount = "100.00 RUB" }, expect = reject("forbidden") })

return rules
