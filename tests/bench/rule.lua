-- Both sides of the comparison run this very file: an account is a contract number, ten digits that begin with 4 and
-- end in their Luhn digit.
local rules = {}

local function luhn(digits)
  local sum, double = 0, false
  for position = #digits, 1, -1 do
    local digit = string.byte(digits, position) - 48
    if double then
      digit = digit * 2
      if digit > 9 then
        digit = digit - 9
      end
    end
    sum = sum + digit
    double = not double
  end
  return sum % 10 == 0
end

function rules.check(request, ctx)
  local account = request.account
  if not string.match(account, "^4%d%d%d%d%d%d%d%d%d$") then
    return reject("account_format", "Not a contract number")
  end
  if not luhn(account) then
    return reject("account_not_found", "No such contract")
  end
  return accept { comment = "OK" }
end

return rules
