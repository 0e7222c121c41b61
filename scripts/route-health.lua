-- The first connection that does well, with the others behind it.
--
-- A connection is left out while the gateway finds that it fails (`ctx.health`), and while it is on the list
-- `out-of-service`, which your monitoring or a person keeps. All nodes hear of a change within a second.
--   tollgate list add acme out-of-service card-main
--   tollgate list remove acme out-of-service card-main
-- The gateway itself goes on to the next one only when it is certain that the one before did nothing.
--!api 1

local LIST = "out-of-service"
-- Of a hundred requests so many must have been answered, once there were enough of them.
local SUCCESS_MIN, REQUESTS_MIN = 70, 20
local BY_METHOD = {
  card = { "card-main", "card-reserve", "card-last" },
  sbp = { "sbp-main", "card-reserve" },
}

local rules = {}

local function does_well(health)
  return health.up and (health.requests < REQUESTS_MIN or health.success >= SUCCESS_MIN)
end

function rules.route(payment, ctx)
  local connections = BY_METHOD[payment.method or ""]
  if not connections then
    return reject("forbidden", "This way of paying is not taken")
  end
  local out, answer = ctx.list(LIST), nil
  for _, connection in ipairs(connections) do
    if out:has(connection) then
      ctx.log(connection .. " is out of service")
    elseif not does_well(ctx.health(connection)) then
      ctx.log(connection .. " fails")
    elseif answer then
      answer = answer:fallback(connection)
    else
      answer = route(connection)
    end
  end
  return answer or retry_later("Paying is not possible now; try again later")
end

local function out(...)
  return { ["out-of-service"] = { ... } }
end
local card = { amount = "100.00 RUB", method = "card" }

test("all in order", {
  route = card,
  lists = out("something-else"),
  expect = route("card-main"):fallback("card-reserve"):fallback("card-last"),
})
test("the first is out", { route = card, lists = out("card-main"), expect = route("card-reserve"):fallback("card-last") })
test("the second is out", { route = card, lists = out("card-reserve"), expect = route("card-main"):fallback("card-last") })
test("one that fails is left out", {
  route = card,
  lists = out(),
  health = { ["card-main"] = { up = false }, ["card-reserve"] = { requests = 50, success = 40 } },
  expect = route("card-last"),
})
test("a few failures say little", {
  route = card,
  lists = out(),
  health = { ["card-main"] = { requests = 3, success = 33 } },
  expect = route("card-main"):fallback("card-reserve"):fallback("card-last"),
})
test("one is left", { route = card, lists = out("card-main", "card-reserve"), expect = route("card-last") })
test("none is left", { route = card, lists = out("card-main", "card-reserve", "card-last"), expect = retry_later() })
test("another way", {
  route = { amount = "100.00 RUB", method = "sbp" },
  lists = out("card-main"),
  expect = route("sbp-main"):fallback("card-reserve"),
})
test("an unknown way", { route = { amount = "100.00 RUB", method = "cash" }, expect = reject("forbidden") })
test("no way at all", { route = { amount = "100.00 RUB" }, expect = reject("forbidden") })

return rules
