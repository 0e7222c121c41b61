-- The least that HAProxy has to do to answer a check by the same rule: parse, ask, render.
local codes = { account_format = 4, account_not_found = 5 }

function accept(answer)
  return { result = 0, comment = answer.comment }
end

function reject(reason, comment)
  return { result = codes[reason] or 300, comment = comment }
end

local rules = dofile("@DIR@/rule.lua")
local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

local function body_of(txn_id, result, comment)
  return table.concat {
    '<?xml version="1.0" encoding="UTF-8"?>\n<response>\n<osmp_txn_id>', (txn_id:gsub("[&<>]", escapes)),
    "</osmp_txn_id>\n<result>", result, "</result>\n<comment>", (comment:gsub("[&<>]", escapes)),
    "</comment>\n</response>",
  }
end

local function unescaped(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function matches(value, pattern)
  return value ~= nil and value:match(pattern) ~= nil
end

local function answer(query)
  local request = {}
  for name, value in query:gmatch("([^&=]+)=([^&]*)") do
    request[unescaped(name)] = unescaped(value)
  end
  if not (
    request.command == "check" and matches(request.txn_id, "^%d+$") and #request.txn_id <= 20 and request.account
    and matches(request.sum, "^%d+[.]%d%d$") and (matches(request.ccy, "^%u%u%u$") or matches(request.ccy, "^%d%d%d$"))
  ) then
    return body_of("", 300, "Provider error")
  end
  local said = rules.check(request, {})
  return body_of(request.txn_id, said.result, said.comment)
end

core.register_service("check", "http", function(applet)
  local body = answer(applet.qs or "")
  applet:set_status(200)
  applet:add_header("content-length", #body)
  applet:add_header("content-type", "text/xml; charset=utf-8")
  applet:start_response()
  applet:send(body)
end)
