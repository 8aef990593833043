"""A file that is refused while it is watched is told of, once, without what it says."""

import asyncio
from pathlib import Path

from aqueduct.config.file import ConfigFile
from aqueduct.domain.event import Event, EventKind
from aqueduct.domain.snapshot import Snapshot
from aqueduct.providers.registry import KINDS

GOOD = 'providers: [{name: up, kind: openai, base_url: "http://127.0.0.1:1/v1"}]\n'


async def test_a_refused_file_is_an_event_with_its_line_and_without_its_words(tmp_path: Path) -> None:
    path = tmp_path / "aqueduct.yaml"
    path.write_text(GOOD)
    told = asyncio.Queue[Event]()
    config = ConfigFile(path, {"KIND": "a-secret"}, KINDS, told.put_nowait)
    config.load()

    async def swap(_: Snapshot) -> None:
        raise AssertionError("nothing good was written")

    watching = asyncio.create_task(config.watch(swap))
    try:
        async with asyncio.timeout(30):
            while told.empty():
                # The watch may begin after the first write.
                path.write_text("\n" + GOOD.replace("kind: openai", 'kind: "${KIND}"'))
                await asyncio.sleep(0.3)
        event = await told.get()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert (event.kind, event.data) == (EventKind.CONFIG_REFUSED, {"file": "aqueduct.yaml", "line": 2})
    assert config.error is not None
    assert "a-secret" in config.error
    assert told.empty()
