"""Answers kept at a Valkey server, for all gateways that share it.

A request waits for it 50 ms at the most, and after a failure not at all for a second. What is to be kept is sent by one
writer, beside the requests; until it is there, it is found here.
"""

import asyncio
import time
import zlib
from collections import OrderedDict
from typing import NamedTuple

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from typing_extensions import override

from aqueduct.cache.contract import AnswerStore
from aqueduct.errors import ConfigurationError
from aqueduct.telemetry.metrics import CACHE_FAILURES

TIMEOUT_SECONDS = 0.05
PAUSE_SECONDS = 1.0
"""For how long a server that failed is not asked."""
WRITE_SECONDS = 5.0
MAX_CONNECTIONS = 16
MAX_WAITING_BYTES = 32 * 1024 * 1024
"""How many bytes may wait to be written; what finds no room is not kept."""
BATCH_BYTES = 1024 * 1024

PACKED_FROM_BYTES = 1024
LONG_BYTES = 64 * 1024
"""From this size on packing is left to a thread."""
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
_PLAIN, _PACKED = b"\x00", b"\x01"

UNAVAILABLE = (RedisError, OSError, TimeoutError)

logger = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    value: bytes
    ttl_seconds: float


class ValkeyAnswers(AnswerStore):
    """Keeps answers at the server that `url` names (`redis://`, `valkey://`, `rediss://`, `unix://`).

    `prefix` parts installations that share a server.
    """

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, prefix: str = "aqueduct:answer:") -> None:
        self._client = _open_client(url)
        self._timeout_seconds = timeout_seconds
        self._prefix = prefix
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._waiting_bytes = 0
        self._noticed = asyncio.Event()
        self._asked_again_at = 0.0

    @override
    async def get(self, key: str) -> bytes | None:
        if (waiting := self._waiting.get(key)) is not None:
            return waiting.value
        if time.monotonic() < self._asked_again_at:
            return None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                packed = await self._client.get(self._prefix + key)
        except UNAVAILABLE as error:
            self._note_failure("read", error)
            return None
        if not isinstance(packed, bytes):
            return None
        return await asyncio.to_thread(unpack, packed) if len(packed) > LONG_BYTES else unpack(packed)

    @override
    def put(self, key: str, value: bytes, ttl_seconds: float) -> None:
        if (former := self._waiting.pop(key, None)) is not None:
            self._waiting_bytes -= len(former.value)
        if self._waiting_bytes + len(value) > MAX_WAITING_BYTES:
            CACHE_FAILURES.labels("write").inc()
            return
        self._waiting[key] = _Waiting(value, ttl_seconds)
        self._waiting_bytes += len(value)
        self._noticed.set()

    @override
    async def run(self) -> None:
        """Write what is put, until cancelled; what the server does not take is not kept."""
        while True:
            await self._noticed.wait()
            self._noticed.clear()
            while self._waiting:
                if (pause_seconds := self._asked_again_at - time.monotonic()) > 0:
                    await asyncio.sleep(pause_seconds)
                await self._write()

    @override
    async def close(self) -> None:
        await self._client.aclose(close_connection_pool=True)

    async def _write(self) -> None:
        """Send a batch."""
        batch: list[tuple[str, _Waiting]] = []
        size = 0
        for key, waiting in self._waiting.items():
            batch.append((key, waiting))
            size += len(waiting.value)
            if size >= BATCH_BYTES:
                break
        pipeline = self._client.pipeline(transaction=False)
        for key, (value, ttl_seconds) in batch:
            packed = await asyncio.to_thread(pack, value) if len(value) > LONG_BYTES else pack(value)
            pipeline.set(self._prefix + key, packed, px=max(1, int(ttl_seconds * 1000)))
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await pipeline.execute()
        except UNAVAILABLE as error:
            self._note_failure("write", error)
        finally:
            for key, waiting in batch:
                # Another answer may have taken its place meanwhile.
                if self._waiting.get(key) is waiting:
                    del self._waiting[key]
                    self._waiting_bytes -= len(waiting.value)

    def _note_failure(self, operation: str, error: BaseException) -> None:
        """Leave the server alone for a moment."""
        CACHE_FAILURES.labels(operation).inc()
        now = time.monotonic()
        if now >= self._asked_again_at:
            logger.warning("the cache does not answer", operation=operation, reason=type(error).__name__)
        self._asked_again_at = now + PAUSE_SECONDS


def pack(value: bytes) -> bytes:
    """Return the value as it is kept: compressed where that is worth it."""
    return _PLAIN + value if len(value) < PACKED_FROM_BYTES else _PACKED + zlib.compress(value, 1)


def unpack(packed: bytes) -> bytes | None:
    """Return a value that was packed; None for anything else."""
    if packed[:1] == _PLAIN:
        return packed[1:]
    if packed[:1] != _PACKED:
        return None
    reader = zlib.decompressobj()
    try:
        value = reader.decompress(packed[1:], MAX_UNPACKED_BYTES)
    except zlib.error:
        return None
    return value if reader.eof else None


def _open_client(url: str) -> "Redis":
    """Understand the URL; raise `ConfigurationError`, without showing it, when it is not one."""
    # The same protocol by another name.
    for name, known_name in (("valkey://", "redis://"), ("valkeys://", "rediss://")):
        if url.startswith(name):
            url = known_name + url.removeprefix(name)
    try:
        pool = BlockingConnectionPool.from_url(
            url, max_connections=MAX_CONNECTIONS, timeout=None, retry=Retry(NoBackoff(), 0), driver_info=None
        )
    except ValueError as error:
        raise ConfigurationError(
            f"AQUEDUCT_CACHE_VALKEY_URL: {error}. "
            "Write it as redis://[user:password@]host:6379/1, or rediss:// for TLS."
        ) from None
    return Redis(connection_pool=pool)
