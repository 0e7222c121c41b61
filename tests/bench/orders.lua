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

local reading = {
  gateway = { id = '^{"id":"([^"]+)"', held = '"status":"authorized"', taken = '"status":"succeeded"' },
  network = { id = '"paymentId":"([^"]+)"', held = '"COMPLETED"', taken = '"captureId"' },
}

function init(args)
  whom, run = args[1], args[3]
  headers = { ["Authorization"] = "Bearer " .. args[2], ["Content-Type"] = "application/json", ["Accept"] = "application/json" }
  sent, good, bad, sample = 0, 0, 0, ""
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
  local known = reading[whom]
  if status >= 300 then
    bad = bad + 1
    sample = status .. " " .. body:sub(1, 300):gsub("[%c\"\\]", " ")
  elseif body:find(known.taken, 1, true) then
    good = good + 1
  elseif body:find(known.held, 1, true) then
    good = good + 1
    last_held = last_held + 1
    held[last_held] = body:match(known.id)
  else
    bad = bad + 1
    sample = status .. " " .. body:sub(1, 300):gsub("[%c\"\\]", " ")
  end
end

function done(summary, latency)
  local total, sample = { sent = 0, good = 0, bad = 0 }, ""
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
