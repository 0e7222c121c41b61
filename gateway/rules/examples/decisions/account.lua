--!api 1
-- Accounts are 16 digits with a Luhn check digit; amounts have a band.
local rules = {}

local SMALLEST = money("10.00 RUB")
local LARGEST = money("15000.00 RUB")

local function luhn(digits)
  local sum = 0
  for i = #digits, 1, -1 do
    local digit = string.byte(digits, i) - 48
    if (#digits - i) % 2 == 1 then
      digit *= 2
      if digit > 9 then digit -= 9 end
    end
    sum += digit
  end
  return sum % 10 == 0
end

function rules.check(request, ctx)
  local account = request.account
  if not account:match("^%d+$") or #account ~= 16 then
    return reject("account_format", "16 digits are expected")
  end
  if not luhn(account) then
    return reject("account_not_found", "The check digit is wrong")
  end
  local amount = request.amount
  if amount and amount < SMALLEST then return reject("amount_too_small") end
  if amount and amount > LARGEST then return reject("amount_too_large") end
  return accept { comment = "OK" }
end

return rules
