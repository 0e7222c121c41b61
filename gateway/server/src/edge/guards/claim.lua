-- How many seats of a gate this node may hold beside the other nodes.
-- KEYS: the gate, a hash of nodes. ARGV: this node; seats wanted; seats of the gate; how long they are held without being
-- claimed again, in milliseconds. Gives: seats of this node, seats of the others.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local node, wanted, all, time = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local held = redis.call('HGETALL', KEYS[1])
local others = 0
for at = 1, #held, 2 do
    if held[at] ~= node then
        local seats, until_ms = string.match(held[at + 1], '^(%d+):(%d+)$')
        if not seats or tonumber(until_ms) <= now then
            redis.call('HDEL', KEYS[1], held[at])
        else
            others = others + tonumber(seats)
        end
    end
end
local given = math.max(0, math.min(wanted, all - others))
if given == 0 then
    redis.call('HDEL', KEYS[1], node)
else
    redis.call('HSET', KEYS[1], node, string.format('%d:%.0f', given, now + time))
    redis.call('PEXPIRE', KEYS[1], time)
end
return { given, others }
