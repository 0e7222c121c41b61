--!api 1
-- Three static rules over amount, currency, method and country, and a default: the shape of Euclid's own benchmark.
local rules = {}

local SMALL = money("40.00 USD")
local LARGE = money("60.00 USD")

function rules.route(payment)
  local method, amount = payment.method, payment.amount
  local in_dollars = amount.currency == "USD"
  if method == "card" and in_dollars and amount == SMALL then
    return route("stripe"):fallback("aci")
  end
  if (method == "card" or method == "bank_redirect") and in_dollars and amount > LARGE then
    return route("adyen"):fallback("checkout")
  end
  if method == "wallet" and payment.country == "US" then
    return route("authorizedotnet"):fallback("adyen")
  end
  return route("stripe"):fallback("adyen"):fallback("checkout")
end

return rules
