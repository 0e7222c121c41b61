-- The account is an INN, the Russian taxpayer's number: 10 digits of an organisation, 12 of a person. Its check digits
-- are weighted sums modulo 11.
--
-- Needs nothing. A right number is not a taxpayer that exists: add a list (contract-list.lua) to know your own.
--!api 1

local TAKES_ORGANISATIONS = true
local TAKES_PERSONS = true

-- By the tax service's rule; nothing to change here.
local TENTH = { 2, 4, 10, 3, 5, 9, 4, 6, 8 }
local ELEVENTH = { 7, 2, 4, 10, 3, 5, 9, 4, 6, 8 }
local TWELFTH = { 3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8 }

local rules = {}

-- Whether the digit behind those that are weighted is the one that they give.
local function is_checked(digits, weights)
  local sum = 0
  for place, weight in ipairs(weights) do
    sum += weight * tonumber(digits:sub(place, place))
  end
  local behind = #weights + 1
  return sum % 11 % 10 == tonumber(digits:sub(behind, behind))
end

local function is_organisation(digits)
  return TAKES_ORGANISATIONS and #digits == 10 and is_checked(digits, TENTH)
end

local function is_person(digits)
  return TAKES_PERSONS and #digits == 12 and is_checked(digits, ELEVENTH) and is_checked(digits, TWELFTH)
end

function rules.check(request)
  local inn = request.account
  -- No region has the number 00; a row of noughts would pass the sums.
  if not inn:match("^%d+$") or inn:sub(1, 2) == "00" then
    return reject("account_format", "An INN of 10 or 12 digits")
  end
  if is_organisation(inn) or is_person(inn) then
    return accept { comment = "OK" }
  end
  return reject("account_format", "The INN has a wrong length or a wrong digit")
end

local wrong = reject("account_format", "The INN has a wrong length or a wrong digit")

test("an organisation", { check = { account = "7707083893" }, expect = accept() })
test("an organisation without noughts", { check = { account = "1234567894" }, expect = accept() })
test("a sum whose rest is ten", { check = { account = "7194889460" }, expect = accept() })
test("a person without noughts", { check = { account = "574962448224" }, expect = accept() })
test("a person", { check = { account = "500100732259" }, expect = accept() })
test("an organisation with a wrong digit", { check = { account = "7707083894" }, expect = wrong })
test("a person with a wrong eleventh digit", { check = { account = "500100732269" }, expect = wrong })
test("a person with a wrong twelfth digit", { check = { account = "500100732258" }, expect = wrong })
test("eleven digits", { check = { account = "77070838931" }, expect = wrong })
test("noughts", { check = { account = "0000000000" }, expect = reject("account_format", "An INN of 10 or 12 digits") })
test("letters", { check = { account = "770708389X" }, expect = reject("account_format") })

return rules
