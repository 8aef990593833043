-- Says how much of a budget is spent, if nobody did so yet, or forgets it.
-- KEYS[1]: the budget. ARGV[1]: now in milliseconds or "-", what is spent, or "-" to forget; for how many milliseconds it
-- is kept unused. When it was said is kept: what was settled before that and comes after it may be in the sum already.

local now, spent, idle = string.match(ARGV[1], '^(%S+) (%S+) (%d+)$')
if spent == '-' then return redis.call('HDEL', KEYS[1], 'spent') end
local is_first = redis.call('HSETNX', KEYS[1], 'spent', spent)
if is_first == 1 then
  local time = redis.call('TIME')
  now = tonumber(now) or time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'seeded_at', string.format('%.0f', now))
end
redis.call('PEXPIRE', KEYS[1], idle)
return is_first
