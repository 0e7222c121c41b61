-- Our own billing is asked whether an account may be paid. While it is silent, a list stands in for it.
--
-- Needs the allowed host of URL, and the list `contracts` (the key is the account).
-- The backend answers {"allowed": true, "name": "Ivan I."}, or {"allowed": false, "reason": "inactive", "message": "…"}.
-- It is only asked: it must not book anything yet, because a question may come many times, and a payment may follow
-- or not. What was paid it learns from the webhook.
--!api 1

local URL = "https://billing.example/may-pay"
local PATIENCE = "1500ms"
local LIST = "contracts"
-- A payment up to this much is taken on the list's word; a larger one waits until the backend is back.
local CURRENCY = "RUB"
local ON_THE_LIST = money("1000.00 RUB")
local CODES = { inactive = "account_inactive", unknown = "account_not_found" } -- anything else: "forbidden"

local rules = {}

-- The backend's answer, or nil when there is none that makes sense.
local function asked(request, ctx)
  local answer = ctx.http.post(URL, {
    json = { command = request.command, account = request.account, amount = request.amount },
    timeout = PATIENCE,
    optional = true,
  })
  if not answer or answer.status ~= 200 then return nil end
  local ok, told = pcall(answer.json)
  if not ok or type(told) ~= "table" or type(told.allowed) ~= "boolean" then return nil end
  return told
end

local function by_the_list(request, ctx)
  ctx.log("the backend is silent")
  if not ctx.list(LIST):has(request.account) then
    -- It may be younger than the list.
    return retry_later("Come back a little later")
  end
  local amount = request.amount
  if request.command ~= "pay" then return accept() end
  if amount and amount.currency == CURRENCY and amount <= ON_THE_LIST then return accept() end
  return retry_later("Come back a little later")
end

function rules.check(request, ctx)
  local told = asked(request, ctx)
  if not told then
    return by_the_list(request, ctx)
  end
  if not told.allowed then
    return reject(CODES[told.reason or ""] or "forbidden", told.message)
  end
  if told.name then
    return accept { comment = "OK", fields = { name = told.name } }
  end
  return accept { comment = "OK" }
end

local POST = "POST https://billing.example/may-pay"
local function answers(answer)
  return { [POST] = answer }
end
local function pays(amount)
  return { command = "pay", account = "42", amount = amount }
end
local down = answers { status = 503 }
local listed = { contracts = { "42" } }

test("allowed", {
  check = { account = "42" },
  http = answers { json = { allowed = true, name = "Ivan I." } },
  expect = accept { comment = "OK", fields = { name = "Ivan I." } },
})
test("allowed without a name", {
  check = pays("50000.00 RUB"),
  http = answers { json = { allowed = true } },
  expect = accept { comment = "OK" },
})
test("closed", {
  check = { account = "42" },
  http = answers { json = { allowed = false, reason = "inactive", message = "Closed" } },
  expect = reject("account_inactive", "Closed"),
})
test("unknown", { check = { account = "42" }, http = answers { json = { allowed = false, reason = "unknown" } }, expect = reject("account_not_found") })
test("refused without a reason", { check = { account = "42" }, http = answers { json = { allowed = false } }, expect = reject("forbidden") })
test("down, and on the list", { check = { account = "42" }, http = down, lists = listed, expect = accept() })
test("down, and not on the list", { check = { account = "43" }, http = down, lists = listed, expect = retry_later() })
test("down, and little money", { check = pays("1000.00 RUB"), http = down, lists = listed, expect = accept() })
test("down, and more money", { check = pays("1000.01 RUB"), http = down, lists = listed, expect = retry_later() })
test("down, and another currency", { check = pays("1.00 USD"), http = down, lists = listed, expect = retry_later() })
test("another status with an answer", {
  check = { account = "43" },
  http = answers { status = 202, json = { allowed = true } },
  lists = listed,
  expect = retry_later(),
})
test("no JSON", { check = { account = "43" }, http = answers { body = "<html>" }, lists = listed, expect = retry_later() })
test("JSON that is no object", { check = { account = "43" }, http = answers { body = "5" }, lists = listed, expect = retry_later() })
test("JSON of another form", { check = { account = "43" }, http = answers { json = { allowed = "yes" } }, lists = listed, expect = retry_later() })
-- As a stored decision tells it: the backend was too late, the list has the account.
test("too late, and on the list", {
  check = { account = "42" },
  calls = [=[[
    {
      "question": {
        "ask": "http", "method": "POST", "url": "https://billing.example/may-pay", "optional": true,
        "headers": { "content-type": "application/json" }, "timeout_ms": 1500,
        "body": "{\"account\":\"42\",\"command\":\"check\"}"
      },
      "failure": { "error": "timeout" }, "duration_us": 1500000
    },
    {
      "question": { "ask": "list_get", "list": "contracts", "key": "42" },
      "answer": { "is": "list", "present": true }, "duration_us": 20
    }
  ]]=],
  expect = accept(),
})

return rules
