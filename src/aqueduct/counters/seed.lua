-- Says how much of a budget is spent, if nobody did so yet, or forgets it.
-- KEYS[1]: the budget. ARGV[1]: what is spent, or "-" to forget; for how many milliseconds it is kept unused.

local spent, idle = string.match(ARGV[1], '^(%S+) (%d+)$')
if spent == '-' then return redis.call('HDEL', KEYS[1], 'spent') end
local is_first = redis.call('HSETNX', KEYS[1], 'spent', spent)
redis.call('PEXPIRE', KEYS[1], idle)
return is_first
