-- Ten-digit accounts that start with 9 may be paid; who pays too often waits;
-- the blocked are refused. It has a flaw, so that there is one to be found:
-- accounts that end in 77 make it fail.
--!api 1

local rules = {}

function rules.check(request, ctx)
  if not request.account:match("^9%d%d%d%d%d%d%d%d%d$") then
    return reject("account_not_found", "No such phone")
  end
  if ctx.list("blocked"):has(request.account) then
    return reject("forbidden", "This phone is blocked")
  end
  if request.account:sub(-2) == "77" then
    return accept { comment = nil .. "OK" }
  end
  local recent = ctx.velocity(request.account, "10m")
  if request.command == "pay" and recent.count >= 20 then
    return retry_later("Too often; come back a little later")
  end
  ctx.log("paid " .. recent.count .. " times in ten minutes")
  return accept { comment = "OK", fields = { name = "Ivan I." } }
end

test("a phone", {
  check = { account = "9161234567" },
  lists = { blocked = {} },
  expect = accept { comment = "OK", fields = { name = "Ivan I." } },
})
test("not a phone", { check = { account = "12345" }, expect = reject("account_not_found") })
test("a blocked phone", {
  check = { account = "9000000666" },
  lists = { blocked = { "9000000666" } },
  expect = reject("forbidden"),
})

return rules
