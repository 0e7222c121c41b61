-- The load that wrk makes on an API of payments: `wrk … URL -- WHOM TOKEN RUN`. Each thread makes a held payment, and
-- captures it as soon as it is there. WHOM: `gateway` (its `/v1`) or `network` (the simulator of QIWI Payin itself).
local threads = {}

function setup(thread)
  thread:set("id", #threads)
  table.insert(threads, thread)
end

local speak = {}

function speak.gateway(number)
  local body = '{"amount":{"amount":"9.00","currency":"RUB"},"capture":"manual","connection":"payin","order_id":"' .. number
    .. '","method":{"type":"card","pan":"4256000000000003","expiry_month":12,"expiry_year":2030,"cvv":"123",'
    .. '"holder":"CARD HOLDER"}}'
  headers["Idempotency-Key"] = number
  return wrk.format("POST", wrk.path .. "/payments", headers, body)
end

function speak.network(number)
  local body = '{"amount":{"value":"9.00","currency":"RUB"},"paymentMethod":{"type":"CARD","pan":"4256000000000003",'
    .. '"expiryDate":"12/30","cvv2":"123","holderName":"CARD HOLDER"}}'
  return wrk.format("PUT", wrk.path .. "/payments/" .. number, headers, body)
end

local capture = {}

function capture.gateway(payment, number)
  headers["Idempotency-Key"] = number
  return wrk.format("POST", wrk.path .. "/payments/" .. payment .. "/capture", headers, "{}")
end

function capture.network(payment, number)
  return wrk.format("PUT", wrk.path .. "/payments/" .. payment .. "/captures/" .. number, headers, "{}")
end

-- What an answer may say, in the order in which it is looked for: a payment of ours names its steps, too, and those have
-- succeeded; a capture of the network's is completed, as a payment is.
local reading = {
  gateway = { id = '^{"id":"([^"]+)"', { '"status":"authorized"', held = true }, { '"status":"succeeded"' } },
  network = { id = '"paymentId":"([^"]+)"', { '"captureId"' }, { '"COMPLETED"', held = true } },
}

function init(args)
  whom, run = args[1], args[3]
  headers = { ["Authorization"] = "Bearer " .. args[2], ["Content-Type"] = "application/json", ["Accept"] = "application/json" }
  sent, good, taken, bad, sample = 0, 0, 0, 0, ""
  held, first_held, last_held = {}, 1, 0
end

function request()
  sent = sent + 1
  local number = string.format("b%s-%02d-%010d", run, id, sent)
  if first_held <= last_held then
    local payment = held[first_held]
    held[first_held], first_held = nil, first_held + 1
    return capture[whom](payment, number)
  end
  return speak[whom](number)
end

function response(status, _, body)
  local found
  for _, words in ipairs(status < 300 and reading[whom] or {}) do
    found = found or body:find(words[1], 1, true) and words
  end
  if not found then
    bad = bad + 1
    sample = status .. " " .. body:sub(1, 300):gsub("[%c\"\\]", " ")
    return
  end
  good = good + 1
  if found.held then
    last_held = last_held + 1
    held[last_held] = body:match(reading[whom].id)
  else
    taken = taken + 1
  end
end

function done(summary, latency)
  local total, sample = { sent = 0, good = 0, taken = 0, bad = 0 }, ""
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
    '{"seconds":%.6f,"sent":%d,"good":%d,"taken":%d,"bad":%d,"broken":%d,"p50_us":%d,"p99_us":%d,"sample":"%s"}',
    summary.duration / 1e6, total.sent, total.good, total.taken, total.bad,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), sample
  ))
end
