-- Says that the gateway which made these reservations is alive.
--
-- ARGV[1]: now in milliseconds or "-", for how many milliseconds they are held from now on, for how many an unused budget
-- is kept; then a member a key. KEYS: two a reservation, a member's set and the hash that belongs to it (or the set again).
-- What lapsed meanwhile stays so: its place or its money may be somebody else's by now.

local words = {}
for word in string.gmatch(ARGV[1], '%S+') do words[#words + 1] = word end
local now = tonumber(words[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local life, idle = tonumber(words[2]), tonumber(words[3])

for word = 4, #words do
  local set, hash = KEYS[2 * word - 7], KEYS[2 * word - 6]
  local until_at = redis.call('ZSCORE', set, words[word])
  if until_at and tonumber(until_at) > now then
    redis.call('ZADD', set, 'XX', now + life, words[word])
    redis.call('PEXPIRE', set, math.max(life, hash == set and 0 or idle))
    if hash ~= set then redis.call('PEXPIRE', hash, idle) end
  end
end
return 1
