-- What is known of a key. Nothing yet: whoever asks first is to load it.
-- KEYS: the key. ARGV: only what was loaded from then on is believed; the longest window's start; most spans;
-- how long loading may take, in milliseconds. All moments are microseconds since 1970.
local key = KEYS[1]
local believed = tonumber(ARGV[1])

local loaded = redis.call('ZSCORE', key, '#loaded')
if loaded and tonumber(loaded) >= believed then
    local spans = redis.call('ZRANGEBYSCORE', key, '(' .. ARGV[2], '+inf', 'LIMIT', 0, ARGV[3] + 2)
    if #spans > ARGV[3] + 1 then
        return { 'wait' }
    end
    table.insert(spans, 1, 'known')
    return spans
end

local loading = redis.call('ZSCORE', key, '#loading')
if redis.call('ZSCORE', key, '#closed') or (loading and tonumber(loading) >= believed) then
    return { 'wait' }
end

local time = redis.call('TIME')
local token = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('DEL', key)
redis.call('ZADD', key, token, '#loading')
redis.call('PEXPIRE', key, ARGV[4])
return { 'load', token }
