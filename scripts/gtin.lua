-- The account is a barcode (GTIN of 8, 12, 13 or 14 digits, check digit modulo 10) of something that we sell.
--
-- Needs the list `goods`: the key is the GTIN with noughts in front up to 14 digits, the value {"title": "…"}.
--!api 1

local LIST = "goods"
local LENGTHS = { 8, 12, 13, 14 }
local LONGEST = 14

local rules = {}

-- From the right, without the check digit: the first counts three times, the next once, and so on.
local function has_check_digit(digits)
  local sum, weight = 0, 3
  for place = #digits - 1, 1, -1 do
    sum += weight * tonumber(digits:sub(place, place))
    weight = 4 - weight
  end
  return (sum + tonumber(digits:sub(-1))) % 10 == 0
end

function rules.check(request, ctx)
  local digits = request.account
  if not digits:match("^%d+$") or not table.find(LENGTHS, #digits) then
    return reject("account_format", "A barcode of 8, 12, 13 or 14 digits")
  end
  if not has_check_digit(digits) then
    return reject("account_format", "A digit of the barcode is wrong")
  end
  local goods, key = ctx.list(LIST), ("0"):rep(LONGEST - #digits) .. digits
  if not goods:has(key) then
    return reject("account_not_found", "Not sold here")
  end
  local article = goods:get(key) or {}
  return accept { comment = article.title or "OK" }
end

local goods = {
  goods = {
    ["04006381333931"] = { title = "A marker" },
    ["00000073513537"] = true,
    ["00036000291452"] = { title = "Tissues" },
  },
}

test("13 digits", { check = { account = "4006381333931" }, lists = goods, expect = accept { comment = "A marker" } })
test("the same with a nought", { check = { account = "04006381333931" }, lists = goods, expect = accept { comment = "A marker" } })
test("8 digits, without a title", { check = { account = "73513537" }, lists = goods, expect = accept { comment = "OK" } })
test("12 digits", { check = { account = "036000291452" }, lists = goods, expect = accept { comment = "Tissues" } })
test("a wrong digit", {
  check = { account = "4006381333932" },
  lists = goods,
  expect = reject("account_format", "A digit of the barcode is wrong"),
})
test("a length that there is not", { check = { account = "40063813339" }, lists = goods, expect = reject("account_format") })
test("letters", { check = { account = "400638133393I" }, lists = goods, expect = reject("account_format") })
test("not ours", { check = { account = "5901234123457" }, lists = goods, expect = reject("account_not_found") })

return rules
