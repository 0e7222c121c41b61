-- Only accounts of our contract list may be paid; closed contracts are told apart from unknown ones.
--
-- Needs the list `contracts`: the key is the account, the value may be {"name": "Ivan I.", "state": "closed"}.
--   tollgate list import acme contracts contracts.csv        (a header such as key,name,state)
-- What the payer sees of the value is the name, so keep it short: "Ivan I.", not the whole of it.
--!api 1

local LIST = "contracts"
local CLOSED = "closed"

local rules = {}

function rules.check(request, ctx)
  local contracts = ctx.list(LIST)
  if not contracts:has(request.account) then
    return reject("account_not_found", "No such contract")
  end
  -- A key without a value is a contract of which nothing else is known.
  local contract = contracts:get(request.account) or {}
  if contract.state == CLOSED then
    return reject("account_inactive", "The contract is closed")
  end
  if contract.name then
    return accept { comment = "OK", fields = { name = contract.name } }
  end
  return accept { comment = "OK" }
end

test("an open contract shows its name", {
  check = { account = "100200" },
  lists = { contracts = { ["100200"] = { name = "Ivan I.", state = "open" } } },
  expect = accept { comment = "OK", fields = { name = "Ivan I." } },
})
test("a contract without a value", {
  check = { command = "pay", account = "100200", amount = "10.00 RUB" },
  lists = { contracts = { "100200" } },
  expect = accept { comment = "OK" },
})
test("a closed contract", {
  check = { account = "100201" },
  lists = { contracts = { ["100201"] = { name = "Ivan I.", state = "closed" } } },
  expect = reject("account_inactive", "The contract is closed"),
})
test("a stranger", {
  check = { account = "100202" },
  lists = { contracts = { "100200" } },
  expect = reject("account_not_found", "No such contract"),
})

return rules
