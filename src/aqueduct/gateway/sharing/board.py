"""The board at the Valkey server: one script that takes what a gateway says and returns what the others said.

Instants are the server's: gateways say and hear how long something is from now, so that their clocks need not agree.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from aqueduct.counters.link import open_pool
from aqueduct.gateway.routing.quota import Use

LEASE_MS = 2_000
"""How long a turn to try a target is held unless it is renewed: as long as one that died keeps the others from it."""
_SOCKET_SECONDS = 1.0
_FORMAT = 1
"""Part of the keys: a later version that writes otherwise has a board of its own, while gateways are replaced."""


class Health(msgspec.Struct, frozen=True, array_like=True):
    """The state of one target: why it is out of use (`none`: it is not), for how long from now, opened how often."""

    key: str
    reason: str
    remaining_ms: int
    openings: int


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """What a gateway uses of one target's limits, see `Use`; nothing at all takes back what it said before."""

    key: str
    requests: int
    tokens_used: int
    in_flight: int
    short: int


class Said(msgspec.Struct, kw_only=True):
    """What a gateway says: what has changed, what it wants to try, what it has tried, what it uses.

    `since` is the version that it has heard up to; 0 asks for everything. `has_limits` asks what the others use.
    """

    gateway: str
    since: int
    lease_ms: int = LEASE_MS
    changed: Sequence[Health] = ()
    wanted: Sequence[str] = ()
    returned: Sequence[str] = ()
    used: Sequence[Usage] = ()
    has_limits: bool = False


class Heard(msgspec.Struct, kw_only=True):
    """What the board answers: the latest version, what others changed since, whose turns are this one's, and use."""

    version: int
    changed: list[Health]
    granted: list[str]
    denied: list[str]
    used: dict[str, Use]


class Board:
    """The keys of one installation at one server."""

    def __init__(self, url: str, prefix: str = "aqueduct") -> None:
        self._client = Redis(connection_pool=open_pool(url, socket_seconds=_SOCKET_SECONDS))
        self._script = self._client.register_script(_EXCHANGE)
        self._keys = [f"{prefix}:targets:{_FORMAT}:{name}" for name in ("health", "order", "leases", "use")]

    async def exchange(self, said: Said) -> Heard:
        """Say and hear, in one round trip; raises `RedisError`, `OSError` or `TimeoutError`."""
        reply: list[Any] = await self._script(keys=self._keys, args=[msgspec.json.encode(said)])
        version, changed, granted, denied, used = reply
        return Heard(
            version=version,
            changed=[Health(key.decode(), why.decode(), left, times) for key, why, left, times in changed],
            granted=[key.decode() for key in granted],
            denied=[key.decode() for key in denied],
            used={
                key.decode(): Use(requests=requests, tokens_used=tokens_used, in_flight=in_flight, short=short)
                for key, requests, tokens_used, in_flight, short in used
            },
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()


# Of two openings the longer one stays, whoever says it last. A version is the server's time, or one more than the last
# one: it grows even over a loss of what was stored. Of a gateway that is gone, what it used counts for its minute.
_EXCHANGE = """
local health, order, leases, use = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local said = cjson.decode(ARGV[1])
local me = said.gateway
local newest = redis.call('ZRANGE', order, 0, 0, 'REV', 'WITHSCORES')
local version = tonumber(newest[2] or 0)
local function whole(number) return string.format('%.0f', number) end

for _, each in ipairs(said.changed) do
  local key, reason, ends = each[1], each[2], now + each[3]
  local known = redis.call('HGET', health, key)
  local known_reason, known_ends = string.match(known or 'none 0', '^(%S+) (%S+)')
  if reason == 'none' or known_reason == 'none' or tonumber(known_ends) <= ends then
    version = math.max(version + 1, now)
    redis.call('HSET', health, key, table.concat({reason, whole(ends), whole(each[4]), me}, ' '))
    redis.call('ZADD', order, whole(version), key)
  end
end
if #said.changed > 0 then
  local old = redis.call('ZRANGEBYSCORE', order, '-inf', whole(now - 1300000), 'LIMIT', 0, 100)
  for _, key in ipairs(old) do
    redis.call('HDEL', health, key)
    redis.call('HDEL', leases, key)
    redis.call('ZREM', order, key)
  end
end

local changed = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', order, '(' .. whole(said.since), '+inf')) do
  local stored = redis.call('HGET', health, key) or ''
  local reason, ends, openings, gateway = string.match(stored, '^(%S+) (%S+) (%S+) (%S+)')
  if gateway and gateway ~= me then
    changed[#changed + 1] = {key, reason, tonumber(ends) - now, tonumber(openings)}
  end
end

local function holder(key)
  local who, ends = string.match(redis.call('HGET', leases, key) or '', '^(%S+) (%S+)')
  return who and tonumber(ends) > now and who or nil
end
for _, key in ipairs(said.returned) do
  if holder(key) == me then redis.call('HDEL', leases, key) end
end
local granted, denied = {}, {}
for _, key in ipairs(said.wanted) do
  local who = holder(key)
  if who and who ~= me then
    denied[#denied + 1] = key
  else
    redis.call('HSET', leases, key, me .. ' ' .. whole(now + said.lease_ms))
    granted[#granted + 1] = key
  end
end

local mine = {}
for _, each in ipairs(said.used) do
  local field = each[1] .. ' ' .. me
  if each[2] + each[3] + each[4] + each[5] == 0 then
    redis.call('HDEL', use, field)
  else
    mine[#mine + 1] = field
    mine[#mine + 1] = table.concat({whole(now), each[2], each[3], each[4], each[5]}, ' ')
  end
  if #mine == 1000 then redis.call('HSET', use, unpack(mine)) mine = {} end
end
if #mine > 0 then redis.call('HSET', use, unpack(mine)) end

local sums, used = {}, {}
if said.has_limits then
  local all = redis.call('HGETALL', use)
  for at = 1, #all, 2 do
    local key, who = string.match(all[at], '^(%S+) (%S+)$')
    if who ~= me then
      local said_at, requests, tokens, in_flight, short = string.match(all[at + 1], '(%d+) (%d+) (%d+) (%d+) (%d+)')
      local age = now - tonumber(said_at)
      if age > 60000 then
        redis.call('HDEL', use, all[at])
      else
        local sum = sums[key]
        if not sum then
          sum = {key, 0, 0, 0, 0}
          sums[key] = sum
          used[#used + 1] = sum
        end
        sum[2], sum[3] = sum[2] + requests, sum[3] + tokens
        if age < 3000 then sum[4], sum[5] = sum[4] + in_flight, sum[5] + short end
      end
    end
  end
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 3600000) end
return {version, changed, granted, denied, used}
"""
