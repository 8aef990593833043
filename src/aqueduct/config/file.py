"""The config file as a living thing: read at start, watched, swapped in whole or refused with its line."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog
import watchfiles

from aqueduct.config.advice import Advice, find_advice
from aqueduct.config.compile import Kinds, compile_default, compile_source
from aqueduct.config.load import Source, read_source
from aqueduct.config.schema import DECLARED_SECTIONS
from aqueduct.domain.event import Emit, config_refused_event
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import ConfigurationError

logger = structlog.get_logger(__name__)


class ConfigFile:
    """One `aqueduct.yaml`, or none (then the embedded model is served).

    `error` is the reason why the file as it is now was refused; None while what is served is what it says. `emit` is
    told of each refusal.
    """

    def __init__(
        self, path: Path | None, environment: Mapping[str, str], kinds: Kinds, emit: Emit | None = None
    ) -> None:
        self.path = path
        self.error: str | None = None
        self._environment = environment
        self._kinds = kinds
        self._emit = emit
        self._content: bytes | None = None

    def load(self) -> Snapshot:
        """Read, validate and compile the file; raise `ConfigurationError` with the line at fault."""
        if self.path is None:
            return compile_default()
        self._content = self._read()
        return compile_source(self._source(self.path), self._kinds)

    def advice(self) -> list[Advice]:
        """Return what is odd in the file, which has been found to be valid."""
        return [] if self.path is None else list(find_advice(self._source(self.path), self._kinds))

    def _source(self, path: Path) -> Source:
        source = read_source(path, self._environment, DECLARED_SECTIONS)
        if not source.value:
            raise ConfigurationError(f"{path}:1: is empty, and says nothing of what is to be served")
        return source

    async def watch(self, swap: Callable[[Snapshot], Awaitable[None]]) -> None:
        """Load the file anew on each change and hand the snapshot to `swap`; a bad file changes nothing.

        The directory is watched, not the file: editors and Kubernetes replace files by renaming others over them.
        """
        if self.path is None:
            return
        directory = self.path.absolute().parent
        async for _ in watchfiles.awatch(directory, recursive=False, step=20, debounce=200):
            if await asyncio.to_thread(self._has_changed):
                await self._reload(swap)

    def _has_changed(self) -> bool:
        """Whether the file's bytes are others than when it was last read; neighbours change all the time."""
        content = self._read()
        return content is not None and content != self._content

    def _read(self) -> bytes | None:
        if self.path is None:
            return None
        try:
            return self.path.read_bytes()
        except OSError:
            return b""

    async def _reload(self, swap: Callable[[Snapshot], Awaitable[None]]) -> None:
        try:
            snapshot = await asyncio.to_thread(self.load)
            await swap(snapshot)
        except ConfigurationError as error:
            if str(error) != self.error:
                self.error = str(error)
                logger.error("config refused, the one before stays", reason=self.error)
                self._tell(self.error)
            return
        self.error = None
        logger.info("config in force")

    def _tell(self, reason: str) -> None:
        if self._emit is not None and self.path is not None:
            place = re.match(re.escape(str(self.path)) + r":(\d+): ", reason)
            line = None if place is None else int(place[1])
            self._emit(config_refused_event(self.path.name, line, now=time.time()))
