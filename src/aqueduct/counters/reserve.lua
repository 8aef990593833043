-- Reserves all claims, or none.
--
-- ARGV[1]: now in milliseconds ("-" outside of tests: the server's own clock, so that gateways' clocks do not matter),
-- the reservation's name, for how many milliseconds places and reserved money are held without being renewed, for how
-- many an unused budget is kept; then four words a claim: kind, amount, limit, and a window's seconds or whether a
-- budget is hard.
-- KEYS: one a claim; for a budget two, what is spent and who reserved; last, the set of budgets in which money lapsed.
-- Returns the status (1 reserved, 0 refused, 2 unseeded), the second it went to, and of all claims how much is used, then
-- for how many milliseconds it stays so (windows), and unless they are reserved after how many each would fit (0: it does,
-- -1: never, -2: unseeded, -3: nobody knows).
--
-- A window is a hash: the seconds that count with what was used in each, "sum", and "first" and "last", between which
-- they lie. Money stays text wherever it is only handed on: a number is exact to 2^53 here, HINCRBY to 2^63.
-- Who reserved money is a sorted set of amount:name, by the millisecond until which it is held. A reservation that nobody
-- renewed is held no longer and stays there by the negative of when that was found out, until `lapsed.lua` forgets it:
-- whether what it was made for was paid for is found out by its name.

local words = {}
for word in string.gmatch(ARGV[1], '%S+') do words[#words + 1] = word end
local now = tonumber(words[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local id, life, idle = words[2], tonumber(words[3]), words[4]
local second = math.floor(now / 1000)

local function span(first, last)
  local numbers = {}
  for each = first, last do numbers[#numbers + 1] = each end
  return numbers
end

-- Forgets the seconds outside of the window. Returns the sum of the others, between which they lie, and whether nothing is
-- known of the window.
local function advance(key, seconds)
  local fields = redis.call('HMGET', key, 'sum', 'first', 'last')
  if not fields[1] then return 0, second, second, true end
  local sum, first, last = tonumber(fields[1]), tonumber(fields[2]), tonumber(fields[3])
  local oldest = second - seconds
  if last < oldest then
    redis.call('DEL', key)
    return 0, second, second, true
  end
  if first < oldest then
    local gone = span(first, oldest - 1)
    local forgotten = 0
    for _, count in ipairs(redis.call('HMGET', key, unpack(gone))) do forgotten = forgotten + (count or 0) end
    redis.call('HDEL', key, unpack(gone))
    -- Not when it is nothing: that would be written -0, which is no number to the server.
    if forgotten > 0 then redis.call('HINCRBY', key, 'sum', string.format('%.0f', -forgotten)) end
    redis.call('HSET', key, 'first', oldest)
    sum = sum - forgotten
    first = oldest
  end
  return sum, first, last
end

-- Returns after how many milliseconds `excess` is forgotten.
local function wait_for(key, seconds, excess, first, last)
  for index, count in ipairs(redis.call('HMGET', key, unpack(span(first, last)))) do
    excess = excess - (count or 0)
    if excess <= 0 then return (first + index + seconds) * 1000 - now end
  end
  return (last + seconds + 1) * 1000 - now
end

-- Takes back what was reserved by gateways that died.
local function lapse(spent_key, reserved_key)
  local lapsed = redis.call('ZRANGE', reserved_key, 0, now, 'BYSCORE')
  if #lapsed == 0 then return end
  for _, member in ipairs(lapsed) do
    local amount = string.match(member, '^%d+')
    if amount ~= '0' then redis.call('HINCRBY', spent_key, 'reserved', '-' .. amount) end
    redis.call('ZADD', reserved_key, -now, member)
  end
  redis.call('SADD', KEYS[#KEYS], spent_key)
end

local claims = {}
local status = 1
local index = 1
for word = 5, #words, 4 do
  local claim = {
    kind = words[word], amount = words[word + 1], limit = tonumber(words[word + 2]), extra = tonumber(words[word + 3]),
    key = KEYS[index], wait = 0, reset = 0
  }
  local amount = tonumber(claim.amount)
  index = index + 1
  if claim.kind == 'w' then
    claim.used, claim.first, claim.last, claim.is_new = advance(claim.key, claim.extra)
    if claim.used + amount > claim.limit then
      claim.wait = -1
      if amount <= claim.limit then
        local excess = claim.used + amount - claim.limit
        claim.wait = wait_for(claim.key, claim.extra, excess, claim.first, claim.last)
      end
    end
  elseif claim.kind == 'p' then
    redis.call('ZREMRANGEBYSCORE', claim.key, '-inf', now)
    claim.used = redis.call('ZCARD', claim.key)
    if claim.used >= claim.limit then claim.wait = claim.limit > 0 and -3 or -1 end
  else
    claim.reserved_key = KEYS[index]
    index = index + 1
    lapse(claim.key, claim.reserved_key)
    local fields = redis.call('HMGET', claim.key, 'spent', 'reserved')
    claim.used = (fields[1] or 0) + (fields[2] or 0)
    if not fields[1] then
      claim.wait = -2
      status = 2
    elseif claim.extra == 1 and claim.used + amount > claim.limit then
      claim.wait = -1
    end
  end
  if claim.wait ~= 0 and status == 1 then status = 0 end
  claims[#claims + 1] = claim
end

local reply = {status, second}
local count = #claims
for at, claim in ipairs(claims) do
  if status == 1 then
    claim.used = claim.used + claim.amount
    if claim.kind == 'w' then
      redis.call('HINCRBY', claim.key, second, claim.amount)
      redis.call('HINCRBY', claim.key, 'sum', claim.amount)
      if claim.is_new or claim.last < second or claim.first > second then
        -- The first in its second. The clock of a server that took over may be behind.
        claim.last = math.max(claim.last, second)
        redis.call('HSET', claim.key, 'first', math.min(claim.first, second), 'last', claim.last)
        -- A minute more than needed: the server's expiry goes by its wall clock, the window by the time of the calls.
        redis.call('EXPIRE', claim.key, claim.extra + 60)
      end
    elseif claim.kind == 'p' then
      redis.call('ZADD', claim.key, now + life, id)
      redis.call('PEXPIRE', claim.key, life)
    else
      redis.call('HINCRBY', claim.key, 'reserved', claim.amount)
      redis.call('ZADD', claim.reserved_key, now + life, claim.amount .. ':' .. id)
    end
  end
  if claim.kind == 'b' then
    redis.call('PEXPIRE', claim.key, idle)
    redis.call('PEXPIRE', claim.reserved_key, idle)
  end
  if claim.kind == 'w' and claim.used > 0 then claim.reset = (claim.last + claim.extra + 1) * 1000 - now end
  reply[2 + at] = claim.used
  reply[2 + count + at] = claim.reset
  if status ~= 1 then reply[2 + 2 * count + at] = claim.wait end
end
return reply
