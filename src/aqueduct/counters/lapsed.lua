-- Lists the reservations of money that lapsed, and whose truth nobody found out yet: a page of them.
--
-- ARGV[1]: now in milliseconds or "-", for how many milliseconds they are remembered, how many a page has, what the keys of
-- what is spent and of who reserved begin with; then where the page begins: how many of the budget to leave out, and the
-- budget, or nothing for the first page. KEYS[1]: the set of budgets in which money lapsed.
-- Returns where the next page begins, in the same two words (the budget is empty after the last page); then two strings
-- each: the budget, amount:name. A budget in which nothing lapsed any more leaves the set.

local now, memory, most, spent, reserved, skipped, begin =
  string.match(ARGV[1], '^(%S+) (%d+) (%d+) (%S+) (%S+) (%d+) (.*)$')
if now == '-' then now = redis.call('TIME')[1] * 1000 end
local oldest = tonumber(now) - tonumber(memory)
local FOUND_OUT = 1e15
most, skipped = tonumber(most), tonumber(skipped)

local spent_keys = redis.call('SMEMBERS', KEYS[1])
table.sort(spent_keys)
local reply = {0, ''}
for _, spent_key in ipairs(spent_keys) do
  local key = string.sub(spent_key, #spent + 1)
  if key >= begin then
    local left = most - (#reply - 2) / 2
    if left <= 0 then
      reply[1], reply[2] = 0, key
      break
    end
    redis.call('ZREMRANGEBYSCORE', reserved .. key, -oldest, '(0')
    redis.call('ZREMRANGEBYSCORE', reserved .. key, -oldest - FOUND_OUT, -FOUND_OUT)
    -- The oldest first, so that what lapses meanwhile moves nothing.
    if key > begin then skipped = 0 end
    local until_found_out = '(' .. string.format('%.0f', -FOUND_OUT)
    local members = redis.call('ZRANGE', reserved .. key, '(0', until_found_out, 'BYSCORE', 'REV', 'LIMIT', skipped, left)
    if #members == 0 and skipped == 0 then redis.call('SREM', KEYS[1], spent_key) end
    for _, member in ipairs(members) do
      reply[#reply + 1] = key
      reply[#reply + 1] = member
    end
    if #members == left then
      reply[1], reply[2] = skipped + left, key
      break
    end
  end
end
return reply
