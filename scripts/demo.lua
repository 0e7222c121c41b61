-- The rule of `tollgate demo`: ten-digit accounts that start with 9 may be paid, up to 15 000 roubles.
--!api 1

local rules = {}

function rules.check(request, ctx)
  if not request.account:match("^9%d%d%d%d%d%d%d%d%d$") then
    return reject("account_not_found", "No such contract")
  end
  if request.command == "pay" and request.amount > money("15000.00 RUB") then
    return reject("amount_too_large", "At most 15 000 roubles at once")
  end
  return accept { comment = "OK", fields = { name = "Ivan I." } }
end

return rules
