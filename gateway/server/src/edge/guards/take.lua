-- Takes up to so many permits from all windows at once: as many as the one with the least room gives, from all alike, or
-- none from any.
-- KEYS: the windows. ARGV: how many permits; then of each window the time between two requests, in microseconds, and its
-- burst. Gives: how many; which window had no room, of several the slowest, counted from 1; how long until it has, in
-- microseconds; then of each window how many it would give now, and the microseconds until it is as if nobody had come.
local clock = redis.call('TIME')
-- Since a moment that keeps numbers small enough for fractions.
local now = (clock[1] - 1750000000) * 1000000 + clock[2]
local given = tonumber(ARGV[1])
local owed, slowest, wait = {}, 0, 0
for at, key in ipairs(KEYS) do
    local interval, depth = tonumber(ARGV[2 * at]), ARGV[2 * at] * ARGV[2 * at + 1]
    local debt = math.max(0, (tonumber(redis.call('GET', key) or 0) or 0) - now)
    owed[at] = math.min(debt, depth)
    -- A thousandth of a request is forgiven to rounding.
    given = math.min(given, math.floor((depth - owed[at]) / interval + 0.001))
    local pause = owed[at] + interval - depth
    if pause > wait and (depth - owed[at]) / interval + 0.001 < 1 then
        slowest, wait = at, pause
    end
end
given = math.max(given, 0)
local answer = { given, slowest, math.ceil(wait) }
for at, key in ipairs(KEYS) do
    local interval, depth = tonumber(ARGV[2 * at]), ARGV[2 * at] * ARGV[2 * at + 1]
    if given > 0 then
        owed[at] = owed[at] + given * interval
        redis.call('SET', key, string.format('%.3f', now + owed[at]), 'PX', math.ceil(owed[at] / 1000) + 1)
    end
    table.insert(answer, math.floor(math.max(0, depth - owed[at]) / interval + 0.001))
    table.insert(answer, math.ceil(owed[at]))
end
return answer
