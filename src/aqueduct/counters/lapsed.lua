-- Lists the reservations of money that lapsed, and whose truth nobody found out yet.
--
-- ARGV[1]: now in milliseconds or "-", for how many milliseconds they are remembered, what the keys of what is spent and of
-- who reserved begin with. KEYS[1]: the set of budgets in which money lapsed.
-- Returns two strings each: the budget, amount:name. A budget in which nothing lapsed any more leaves the set.

local words = {}
for word in string.gmatch(ARGV[1], '%S+') do words[#words + 1] = word end
local now = tonumber(words[1])
if not now then now = redis.call('TIME')[1] * 1000 end
local oldest, spent, reserved = now - tonumber(words[2]), words[3], words[4]
local FOUND_OUT, MOST = 1e15, 500

local reply = {}
for _, spent_key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local key = string.sub(spent_key, #spent + 1)
  redis.call('ZREMRANGEBYSCORE', reserved .. key, -oldest, '(0')
  redis.call('ZREMRANGEBYSCORE', reserved .. key, -oldest - FOUND_OUT, -FOUND_OUT)
  local members = redis.call('ZRANGE', reserved .. key, '(' .. string.format('%.0f', -FOUND_OUT), '(0', 'BYSCORE', 'LIMIT', 0, MOST)
  if #members == 0 then redis.call('SREM', KEYS[1], spent_key) end
  for _, member in ipairs(members) do
    reply[#reply + 1] = key
    reply[#reply + 1] = member
  end
  if #reply >= 2 * MOST then break end
end
return reply
