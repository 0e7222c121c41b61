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

test("a contract", { check = { account = "9161234567" }, expect = accept { comment = "OK", fields = { name = "Ivan I." } } })
test("nine digits", { check = { account = "916123456" }, expect = reject("account_not_found") })
test("another first digit", { check = { account = "8161234567" }, expect = reject("account_not_found") })
test("the most", { check = { command = "pay", account = "9161234567", amount = "15000.00 RUB" }, expect = accept() })
test("a kopeck more", {
  check = { command = "pay", account = "9161234567", amount = "15000.01 RUB" },
  expect = reject("amount_too_large", "At most 15 000 roubles at once"),
})
test("a check does not look at its amount", { check = { account = "9161234567", amount = "99999.00 RUB" }, expect = accept() })

return rules
