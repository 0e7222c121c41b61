-- The load that wrk makes: `wrk … URL -- COMMAND RUN [RATE [MERCHANTS [ZIPF]]]`. Every request has a txn_id of its own, and every answer is
-- read: one without `<result>0</result>` counts as failed, however fast it came.
--
-- With MERCHANTS the URL has a `%25d`: which of them is asked, one after the other, or, with ZIPF, the n-th one as often as
-- 1 / n ^ ZIPF says.
-- Without RATE (or 0) each connection asks again as soon as it was answered (closed loop). With it each thread sends so many a
-- second whatever the answers do (open loop): a request that found no free connection counts from when it was due.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds, nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local MONOTONIC = 1
-- Delays are counted in steps of so many microseconds.
local STEP_US = 10
local threads = {}
local now = ffi.new("moment")

local function now_us()
  ffi.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.seconds) * 1e6 + tonumber(now.nanoseconds) / 1e3
end

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

-- Draws numbers up to `count` by Zipf's law.
local function zipf(count, exponent)
  local up_to, total = {}, 0
  for number = 1, count do
    total = total + number ^ -exponent
    up_to[number] = total
  end
  return function()
    local wanted, low, high = math.random() * total, 1, count
    while low < high do
      local middle = math.floor((low + high) / 2)
      if up_to[middle] < wanted then
        low = middle + 1
      else
        high = middle
      end
    end
    return low
  end
end

local function one_after_the_other(count)
  return function()
    return 1 + sent * 7919 % count
  end
end

-- A connection is free: it takes the next moment that is due, which may be over. Timers have a millisecond's grain, so who
-- waits for its moment counts from when it is sent.
local function wait_for_its_moment()
  local at, early_us = next_due, next_due - now_us()
  next_due = next_due + interval_us
  last_moment = last_moment + 1
  moments[last_moment] = early_us <= 0 and at
  return math.max(0, math.floor(early_us / 1e3))
end

local function delay_known(body)
  local number = tonumber(body:match("txn_id>%d-(%d%d%d%d%d%d%d%d%d%d)<"))
  local due = number and due_of[number]
  if due then
    due_of[number] = nil
    local step = math.floor((now_us() - due) / STEP_US)
    steps[step] = (steps[step] or 0) + 1
  end
end

function init(args)
  sent, good, bad, sample = 0, 0, 0, ""
  local command, run, rate = args[1], args[2], tonumber(args[3] or 0)
  local merchants, exponent = tonumber(args[4] or 1), tonumber(args[5] or 0)
  if merchants > 1 then
    math.randomseed(tonumber(run) * 100 + id)
    merchant = exponent > 0 and zipf(merchants, exponent) or one_after_the_other(merchants)
  end
  steps = {}
  if rate > 0 then
    interval_us, next_due = 1e6 / rate, now_us()
    moments, first_moment, last_moment, due_of = {}, 1, 0, {}
    delay = wait_for_its_moment
  end
  local path = wrk.path:gsub("%%25d", "%%d")
  prefix = string.format("%s?command=%s&txn_id=%s%02d", path, command, run, id)
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
  if interval_us then
    due_of[sent] = moments[first_moment] or now_us()
    moments[first_moment], first_moment = nil, first_moment + 1
  end
  local head = prefix
  if merchant then
    head = string.format(prefix, merchant())
  end
  return wrk.format("GET", string.format("%s%010d&account=%s%s", head, sent, accounts[sent % 10000], suffix))
end

function response(status, headers, body)
  if status == 200 and body:find("<result>0</result>", 1, true) then
    good = good + 1
    if interval_us then
      delay_known(body)
    end
  else
    bad = bad + 1
    sample = status .. " " .. body:sub(1, 300):gsub("[%c\"\\]", " ")
  end
end

-- In microseconds: which delay this share of the requests did not exceed.
local function share_of(counts, share)
  local known, total = {}, 0
  for step, count in pairs(counts) do
    known[#known + 1], total = step, total + count
  end
  table.sort(known)
  local seen = 0
  for _, step in ipairs(known) do
    seen = seen + counts[step]
    if seen >= total * share then
      return (step + 1) * STEP_US
    end
  end
  return 0
end

function done(summary, latency, requests)
  local total = { sent = 0, good = 0, bad = 0 }
  local sample, counts = "", {}
  for _, thread in ipairs(threads) do
    for name, value in pairs(total) do
      total[name] = value + thread:get(name)
    end
    for step, count in pairs(thread:get("steps")) do
      counts[step] = (counts[step] or 0) + count
    end
    if thread:get("sample") ~= "" then
      sample = thread:get("sample")
    end
  end
  local errors = summary.errors
  local p50, p99, p999 = latency:percentile(50), latency:percentile(99), latency:percentile(99.9)
  if next(counts) then
    p50, p99, p999 = share_of(counts, 0.5), share_of(counts, 0.99), share_of(counts, 0.999)
  end
  print(string.format(
    '{"seconds":%.6f,"sent":%d,"good":%d,"bad":%d,"broken":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"sample":"%s"}',
    summary.duration / 1e6, total.sent, total.good, total.bad,
    errors.connect + errors.read + errors.write + errors.timeout, p50, p99, p999, sample
  ))
end
