-- The first connection that is in order, with the others behind it.
--
-- Needs the list `out-of-service`: its keys are names of connections that are not to be used, kept by your monitoring
-- or by hand. All nodes hear of a change within a second.
--   tollgate list add acme out-of-service card-main
--   tollgate list remove acme out-of-service card-main
-- The gateway itself goes on to the next one only when it is certain that the one before did nothing.
--!api 1

local LIST = "out-of-service"
local BY_METHOD = {
  card = { "card-main", "card-reserve", "card-last" },
  sbp = { "sbp-main", "card-reserve" },
}

local rules = {}

function rules.route(payment, ctx)
  local connections = BY_METHOD[payment.method or ""]
  if not connections then
    return reject("forbidden", "This way of paying is not taken")
  end
  local out, answer = ctx.list(LIST), nil
  for _, connection in ipairs(connections) do
    if out:has(connection) then
      ctx.log(connection .. " is out of service")
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
