-- The volume is split between connections by percent, and a payer stays with the one that he fell to.
--
-- Needs the connections that are named here. The last one takes what the others leave. Who falls where follows from the
-- account alone: the same in every call, on every node, after every restart. A higher percentage in the last row takes
-- from REST only; in a row above it, everybody below moves up as well.
--!api 1

local SHARES = {
  { connection = "card-new", percent = 10 },
  { connection = "card-second", percent = 30 },
}
local REST = "card-main"
local SPLIT = "2026-11" -- another text deals everybody anew

local rules = {}

local function chosen(bucket)
  local upto = 0
  for _, share in ipairs(SHARES) do
    upto += share.percent
    if bucket <= upto then return share.connection end
  end
  return REST
end

function rules.route(payment, ctx)
  local who = payment.account or payment.order_id
  -- Nobody to remember: nothing to try anything new on.
  if not who then return route(REST) end
  local connection = chosen(ctx.hash(SPLIT .. ":" .. who, 100))
  if connection == REST then return route(REST) end
  return route(connection):fallback(REST)
end

local function pays(account)
  return { amount = "100.00 RUB", account = account }
end

-- Accounts that fall to either side of each edge.
test("the first hundredth", { route = pays("9160000027"), expect = route("card-new"):fallback("card-main") })
test("the tenth", { route = pays("9160000098"), expect = route("card-new"):fallback("card-main") })
test("the eleventh", { route = pays("9160000022"), expect = route("card-second"):fallback("card-main") })
test("the fortieth", { route = pays("9160000052"), expect = route("card-second"):fallback("card-main") })
test("the forty-first", { route = pays("9160000143"), expect = route("card-main") })
test("the last", { route = pays("9160000111"), expect = route("card-main") })
test("by the order when there is no account", {
  route = { amount = "100.00 RUB", order_id = "order-3" },
  expect = route("card-new"):fallback("card-main"),
})
test("nobody", { route = { amount = "100.00 RUB" }, expect = route("card-main") })

return rules
