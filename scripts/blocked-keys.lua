-- Accounts, services and phones that we do not take, each with its reason, for ever or until a day.
--
-- Needs the list `blocked`. Keys are "account:…", "service:…" and "phone:…"; the value may be
-- {"reason": "inactive", "text": "…", "until": "2027-01-01"}; on that day it is taken again.
--   tollgate list add acme blocked account:9161234567 --value '{"reason": "inactive"}'
--!api 1

local LIST = "blocked"
local OFFSET = "+03:00" -- whose days are meant
local PHONE = "phone" -- the network's parameter with the payer's phone
local CODES = { inactive = "account_inactive", unknown = "account_not_found" } -- anything else: "forbidden"

local rules = {}

-- What stands beside the key while it is blocked, else nil.
local function block_of(blocked, key, today)
  if not blocked:has(key) then return nil end
  local block = blocked:get(key) or {}
  local free = block["until"]
  if free and today >= free then return nil end
  return block
end

function rules.check(request, ctx)
  local blocked, today = ctx.list(LIST), ctx.time(OFFSET).date
  local phone = request.extras[PHONE]
  local keys = { "account:" .. request.account }
  if request.service then table.insert(keys, "service:" .. request.service) end
  if phone then table.insert(keys, "phone:" .. phone) end
  for _, key in ipairs(keys) do
    local block = block_of(blocked, key, today)
    if block then
      ctx.log("blocked by " .. key)
      return reject(CODES[block.reason or ""] or "forbidden", block.text or "Payments are not taken")
    end
  end
  return accept()
end

local blocked = {
  blocked = {
    ["account:1"] = true,
    ["account:2"] = { reason = "inactive", text = "The account is closed" },
    ["account:3"] = { reason = "unknown" },
    ["account:4"] = { ["until"] = "2026-11-23" },
    ["service:101"] = { text = "The service is closed" },
    ["phone:79161234567"] = { reason = "fraud" },
  },
}

test("blocked without a reason", {
  check = { account = "1" },
  lists = blocked,
  expect = reject("forbidden", "Payments are not taken"),
})
test("closed", { check = { account = "2" }, lists = blocked, expect = reject("account_inactive", "The account is closed") })
test("said to be unknown", { check = { account = "3" }, lists = blocked, expect = reject("account_not_found") })
test("the last day", { now = "2026-11-22T20:59:59Z", check = { account = "4" }, lists = blocked, expect = reject("forbidden") })
test("the day behind it", { now = "2026-11-22T21:00:00Z", check = { account = "4" }, lists = blocked, expect = accept() })
test("a service", {
  check = { account = "9", service = "101" },
  lists = blocked,
  expect = reject("forbidden", "The service is closed"),
})
test("the payer's phone", {
  check = { command = "pay", account = "9", amount = "5.00 RUB", service = "102", extras = { phone = "79161234567" } },
  lists = blocked,
  expect = reject("forbidden"),
})
test("nobody that is blocked", {
  check = { account = "9", service = "102", extras = { phone = "79161234568" } },
  lists = blocked,
  expect = accept(),
})

return rules
