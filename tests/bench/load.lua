-- The load that wrk makes: `wrk … URL -- COMMAND RUN`. Every request has a txn_id of its own, and every answer is read:
-- one without `<result>0</result>` counts as failed, however fast it came.
local threads = {}

function setup(thread)
  thread:set("id", #threads)
  table.insert(threads, thread)
end

local function luhn_digit(digits)
  local sum, double = 0, true
  for position = #digits, 1, -1 do
    local digit = digits:byte(position) - 48
    if double then
      digit = digit * 2
      if digit > 9 then
        digit = digit - 9
      end
    end
    sum = sum + digit
    double = not double
  end
  return (10 - sum % 10) % 10
end

function init(args)
  sent, good, bad, sample = 0, 0, 0, ""
  local command, run = args[1], args[2]
  prefix = string.format("%s?command=%s&txn_id=%s%02d", wrk.path, command, run, id)
  suffix = "&sum=10.45&ccy=RUB"
  if command == "pay" then
    suffix = suffix .. "&txn_date=" .. os.date("!%Y%m%d%H%M%S", os.time() + 3 * 3600)
  end
  accounts = {}
  for number = 0, 9999 do
    local digits = string.format("4%08d", (number * 7919 + 12345) % 100000000)
    accounts[number] = digits .. luhn_digit(digits)
  end
end

function request()
  sent = sent + 1
  return wrk.format("GET", string.format("%s%010d&account=%s%s", prefix, sent, accounts[sent % 10000], suffix))
end

function response(status, headers, body)
  if status == 200 and body:find("<result>0</result>", 1, true) then
    good = good + 1
  else
    bad = bad + 1
    sample = status .. " " .. body:sub(1, 300):gsub("[%c\"\\]", " ")
  end
end

function done(summary, latency, requests)
  local total = { sent = 0, good = 0, bad = 0 }
  local sample = ""
  for _, thread in ipairs(threads) do
    for name, value in pairs(total) do
      total[name] = value + thread:get(name)
    end
    if thread:get("sample") ~= "" then
      sample = thread:get("sample")
    end
  end
  local errors = summary.errors
  print(string.format(
    '{"seconds":%.6f,"sent":%d,"good":%d,"bad":%d,"broken":%d,"p50_us":%d,"p99_us":%d,"sample":"%s"}',
    summary.duration / 1e6, total.sent, total.good, total.bad,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), sample
  ))
end
