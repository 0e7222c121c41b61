-- Accounts whose last digit is a Luhn check digit, such as numbers of loyalty and transport cards: a mistyped digit, or
-- two neighbours that changed places, are noticed before anybody pays.
--
-- Needs nothing. Change the length and the prefix to those of your accounts.
--!api 1

local DIGITS = 12
local PREFIX = "50"

local rules = {}

-- From the right every second digit counts twice; of a product of two digits both count.
local function is_luhn(digits)
  local sum, double = 0, false
  for place = #digits, 1, -1 do
    local digit = tonumber(digits:sub(place, place))
    if double then digit *= 2 end
    if digit > 9 then digit -= 9 end
    sum += digit
    double = not double
  end
  return sum % 10 == 0
end

function rules.check(request)
  local account = request.account
  if #account ~= DIGITS or not account:match("^%d+$") or account:sub(1, #PREFIX) ~= PREFIX then
    return reject("account_format", `{DIGITS} digits that start with {PREFIX}`)
  end
  if not is_luhn(account) then
    return reject("account_format", "A digit of the number is wrong")
  end
  return accept { comment = "OK" }
end

test("a whole number", { check = { account = "501234567896" }, expect = accept() })
test("another one", { check = { account = "500000000009" }, expect = accept() })
test("a wrong digit", {
  check = { account = "501234567895" },
  expect = reject("account_format", "A digit of the number is wrong"),
})
test("two neighbours changed", { check = { account = "501234576896" }, expect = reject("account_format") })
test("too short", {
  check = { account = "50123456789" },
  expect = reject("account_format", "12 digits that start with 50"),
})
test("letters", { check = { account = "50123456789O" }, expect = reject("account_format") })
test("of somebody else", { check = { account = "401234567897" }, expect = reject("account_format") })

return rules
