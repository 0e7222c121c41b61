-- Adds what the database knows of a key to the pays that came meanwhile, unless the key was lost or closed since the
-- load began: then a pay may be missing.
-- KEYS: the key. ARGV: token of the load; how long the key lives, in milliseconds; then end and text of each span.
local key = KEYS[1]
local loading = redis.call('ZSCORE', key, '#loading')
if not loading or tonumber(loading) ~= tonumber(ARGV[1]) then
    return 0
end
for at = 3, #ARGV, 2 do
    redis.call('ZADD', key, ARGV[at], ARGV[at + 1])
end
redis.call('ZREM', key, '#loading')
redis.call('ZADD', key, ARGV[1], '#loaded')
redis.call('PEXPIRE', key, ARGV[2])
return 1
