-- Replaces what was reserved by the truth.
--
-- ARGV[1]: now in milliseconds or "-", whether it is the first time that the settlement is sent (1) or not (0), how many
-- milliseconds ago it was settled (0: just now), the reservation's name, the second that its windows counted it in; then
-- three words a claim, by kind:
--   w, the window's seconds, by how much more or less was used
--   p
--   b, what was reserved, what was spent
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
local name, second = words[4], tonumber(words[5])

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
for word = 6, #words, 3 do
  local kind, key = words[word], KEYS[index]
  local one, two = words[word + 1], words[word + 2]
  index = index + 1
  if kind == 'w' then
    local first = redis.call('HGET', key, 'first')
    if is_first and first and second >= tonumber(first) and second >= math.floor(now / 1000) - one then
      redis.call('HINCRBY', key, second, two)
      redis.call('HINCRBY', key, 'sum', two)
    end
  elseif kind == 'p' then
    redis.call('ZREM', key, name)
  elseif kind == 'b' then
    local member, reserved_key = one .. ':' .. name, KEYS[index]
    index = index + 1
    local until_at = redis.call('ZSCORE', reserved_key, member)
    if until_at then
      redis.call('ZREM', reserved_key, member)
      if tonumber(until_at) >= 0 then give_back(key, one) end
      if tonumber(until_at) > -FOUND_OUT then spend(key, two, settled_at) end
    elseif is_first then
      spend(key, two, settled_at)
    end
  elseif kind == 'l' then
    local member, reserved_key = one .. ':' .. name, KEYS[index]
    index = index + 1
    local until_at = tonumber(redis.call('ZSCORE', reserved_key, member) or 0)
    if until_at < 0 and until_at > -FOUND_OUT then
      redis.call('ZADD', reserved_key, until_at - FOUND_OUT, member)
      spend(key, two, -until_at)
    end
  elseif is_first then
    spend(key, one, settled_at)
  end
end
return 1
