-- Russian mobile numbers, however the payer typed them: 8 916…, +7 (916)…, 7916… and 916… are one number.
--
-- Needs the list `subscribers`: its keys are numbers of eleven digits that start with 79, without a plus.
-- The payer sees the number as it was understood, and can notice a wrong digit before paying.
--!api 1

local LIST = "subscribers"
local COUNTRY = "7"
local TRUNK = "8" -- what people dial inside the country in place of the 7
local MOBILE = "9" -- the first digit of a mobile number behind the country's

local rules = {}

-- Eleven digits, or nil when it is no mobile number of ours.
local function normalised(text)
  local international = text:sub(1, 1) == "+"
  local digits = text:gsub("^%+", ""):gsub("[%s%-%(%)%.]", "")
  if not digits:match("^%d+$") then return nil end
  if #digits == 11 then
    local first = digits:sub(1, 1)
    -- Behind a plus there is always the country: +8 is another one.
    if first ~= COUNTRY and (first ~= TRUNK or international) then return nil end
    digits = digits:sub(2)
  elseif international then
    return nil
  end
  if #digits ~= 10 or digits:sub(1, 1) ~= MOBILE then return nil end
  return COUNTRY .. digits
end

local function shown(number)
  return `+{number:sub(1, 1)} {number:sub(2, 4)} {number:sub(5, 7)}-{number:sub(8, 9)}-{number:sub(10)}`
end

function rules.check(request, ctx)
  local number = normalised(request.account)
  if not number then
    return reject("account_format", "A mobile number, such as +7 916 123-45-67")
  end
  if not ctx.list(LIST):has(number) then
    return reject("account_not_found", "No such subscriber")
  end
  return accept { comment = "OK", fields = { phone = shown(number) } }
end

local ours = { subscribers = { "79161234567" } }
local one = accept { comment = "OK", fields = { phone = "+7 916 123-45-67" } }

test("ten digits", { check = { account = "9161234567" }, lists = ours, expect = one })
test("with the trunk 8", { check = { account = "89161234567" }, lists = ours, expect = one })
test("with the country", { check = { account = "79161234567" }, lists = ours, expect = one })
test("as it is printed", { check = { account = "+7 (916) 123-45-67" }, lists = ours, expect = one })
test("with dots", { check = { account = "8.916.123.45.67" }, lists = ours, expect = one })
test("another country behind the plus", {
  check = { account = "+89161234567" },
  lists = ours,
  expect = reject("account_format"),
})
test("a plus without a country", { check = { account = "+9161234567" }, lists = ours, expect = reject("account_format") })
test("eleven digits of elsewhere", { check = { account = "39161234567" }, lists = ours, expect = reject("account_format") })
test("a landline", { check = { account = "84951234567" }, lists = ours, expect = reject("account_format") })
test("one digit less", { check = { account = "916123456" }, lists = ours, expect = reject("account_format") })
test("letters", { check = { account = "916123456O" }, lists = ours, expect = reject("account_format") })
test("nobody of ours", { check = { account = "9161234568" }, lists = ours, expect = reject("account_not_found") })

return rules
