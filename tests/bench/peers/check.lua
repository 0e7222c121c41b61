-- The least that nginx has to do to answer a check by the same rule: parse, ask, render.
local codes = { account_format = 4, account_not_found = 5 }

function accept(answer)
  return { result = 0, comment = answer.comment }
end

function reject(reason, comment)
  return { result = codes[reason] or 300, comment = comment }
end

local rules = dofile(rule_path)
local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

local function render(txn_id, result, comment)
  ngx.print(
    '<?xml version="1.0" encoding="UTF-8"?>\n<response>\n<osmp_txn_id>', (txn_id:gsub("[&<>]", escapes)),
    "</osmp_txn_id>\n<result>", result, "</result>\n<comment>", (comment:gsub("[&<>]", escapes)),
    "</comment>\n</response>"
  )
end

local function matches(value, pattern)
  return type(value) == "string" and ngx.re.find(value, pattern, "jo") ~= nil
end

return function()
  local request = ngx.req.get_uri_args()
  if not (
    request.command == "check" and matches(request.txn_id, "^[0-9]{1,20}$") and type(request.account) == "string"
    and matches(request.sum, "^[0-9]{1,12}[.][0-9]{2}$") and matches(request.ccy, "^([A-Z]{3}|[0-9]{3})$")
  ) then
    return render("", 300, "Provider error")
  end
  local answer = rules.check(request, {})
  render(request.txn_id, answer.result, answer.comment)
end
