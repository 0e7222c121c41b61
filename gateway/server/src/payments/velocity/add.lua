-- Adds one pay to those of its keys that somebody asked for. Added twice, it is there once.
-- KEYS: the keys. ARGV: the pay's moment, and its text.
local added = 0
for _, key in ipairs(KEYS) do
    if redis.call('EXISTS', key) == 1 then
        added = added + redis.call('ZADD', key, ARGV[1], ARGV[2])
    end
end
return added
