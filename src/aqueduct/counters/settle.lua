-- Replaces what was reserved by the truth.
--
-- ARGV[1]: now in milliseconds or "-", whether it is the first time that the settlement is sent (1) or not (0), how many
-- milliseconds ago it was settled (0: just now); then four words a claim, by kind:
--   w, the second it went to, the window's seconds, by how much more or less was used
--   p, the reservation's name
--   b, the reservation's name, what was reserved, what was spent
--   l, the same of one that lapsed, found out by another gateway
--   s, (a budget in which nothing was reserved), what was spent
-- KEYS: one a claim; for `b` two, what is spent and who reserved.
--
-- The second time, only what tells by itself that the first was not carried out is done: a budget in which the
-- reservation still stands. So nothing is counted twice; a window keeps the estimate, which it forgets by itself.
-- One that lapsed and was found out about stays, further below zero, so that its own gateway does not spend it again.

local words = {}
for word in string.gmatch(ARGV[1], '%S+') do words[#words + 1] = word end
local now = tonumber(words[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local is_first, age = words[2] == '1', tonumber(words[3])

local FOUND_OUT = 1e15

local function give_back(key, amount)
  -- Minus nothing would be -0, which is no number to the server.
  if amount ~= '0' then redis.call('HINCRBY', key, 'reserved', '-' .. amount) end
end

-- A budget that is to be seeded hears of it from whoever seeds it; one that was seeded since then may have heard of it.
local function spend(key, amount, at)
  local fields = redis.call('HMGET', key, 'spent', 'seeded_at')
  if fields[1] and at >= tonumber(fields[2] or 0) then redis.call('HINCRBY', key, 'spent', amount) end
end

-- What is settled just now is in nobody's sums yet, whatever became of the server's clock.
local settled_at = age == 0 and math.huge or now - age

local index = 1
for word = 4, #words, 4 do
  local kind, key = words[word], KEYS[index]
  local one, two, three = words[word + 1], words[word + 2], words[word + 3]
  index = index + 1
  if kind == 'w' then
    local second = tonumber(one)
    local first = redis.call('HGET', key, 'first')
    if is_first and first and second >= tonumber(first) and second >= math.floor(now / 1000) - two then
      redis.call('HINCRBY', key, one, three)
      redis.call('HINCRBY', key, 'sum', three)
    end
  elseif kind == 'p' then
    redis.call('ZREM', key, one)
  elseif kind == 'b' then
    local member, reserved_key = two .. ':' .. one, KEYS[index]
    index = index + 1
    local until_at = redis.call('ZSCORE', reserved_key, member)
    if until_at then
      redis.call('ZREM', reserved_key, member)
      if tonumber(until_at) >= 0 then give_back(key, two) end
      if tonumber(until_at) > -FOUND_OUT then spend(key, three, settled_at) end
    elseif is_first then
      spend(key, three, settled_at)
    end
  elseif kind == 'l' then
    local member, reserved_key = two .. ':' .. one, KEYS[index]
    index = index + 1
    local until_at = tonumber(redis.call('ZSCORE', reserved_key, member) or 0)
    if until_at < 0 and until_at > -FOUND_OUT then
      redis.call('ZADD', reserved_key, until_at - FOUND_OUT, member)
      spend(key, three, -until_at)
    end
  elseif is_first then
    spend(key, one, settled_at)
  end
end
return 1
