"""An answer that is not kept is told of: what an upstream streamed in a line, what we did wrong with where it was."""

from collections.abc import Sequence
from typing import cast

import pytest
from structlog.testing import capture_logs

from aqueduct.cache.memory import MemoryAnswers
from aqueduct.domain.cache import CachePolicy
from aqueduct.gateway.attempt import Attempt
from aqueduct.gateway.cache.keeper import Keeper, Passed

POLICY = CachePolicy(ttl_seconds=60, is_always=True, max_bytes=1000, version="1")


def passed(said: bytes, attempts: Sequence[object] = ()) -> Passed:
    return Passed(
        key="k",
        policy=POLICY,
        operation="chat",
        said=said,
        is_stream=True,
        finish_reason="stop",
        attempts=cast("Sequence[Attempt]", attempts),
        lead=None,
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (passed(b"data: rubbish\n\n"), ("an answer was not kept", "warning", False)),
        (passed(b"", [object()]), ("bug", "error", True)),  # no attempt at all
    ],
)
async def test_rubbish_is_a_line_and_a_bug_has_its_traceback(answer: Passed, told: tuple[str, str, bool]) -> None:
    with capture_logs() as logs:
        await Keeper(MemoryAnswers(1_000_000)).keep(answer)
    assert [(each["event"], each["log_level"], "exc_info" in each) for each in logs] == [told]
