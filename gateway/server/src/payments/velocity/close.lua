-- Nobody loads or reads these keys for a while.
-- KEYS: the keys. ARGV: for how long, in milliseconds.
for _, key in ipairs(KEYS) do
    redis.call('DEL', key)
    redis.call('ZADD', key, 0, '#closed')
    redis.call('PEXPIRE', key, ARGV[1])
end
return #KEYS
