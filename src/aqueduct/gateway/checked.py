"""The promise of structured output: what ends in `stop` satisfies its JSON schema, or the client gets an error.

A plain answer is checked and asked for again with the validator's words. A stream of a target that holds itself to the
schema flows and is checked at its end; any other is completed and checked first, then streamed.
"""

import time
from typing import Any

from aqueduct.domain.model import Target
from aqueduct.errors import SchemaNotSatisfied
from aqueduct.gateway.account import Entry
from aqueduct.gateway.exchange import Exchange, PlainExchange, ReplayExchange, Sink
from aqueduct.gateway.opening import Opener
from aqueduct.gateway.schema.checker import UNDECIDED, SchemaChecker
from aqueduct.gateway.schema_prompt import ask_again, hold_to_schema, release_content
from aqueduct.gateway.target_caller import remaining
from aqueduct.providers.base import Answer
from aqueduct.wire.replay import replay
from aqueduct.wire.request import Request

Schema = dict[str, Any] | bool

_TRIES = 3
_FAILURE = "The model's answer does not satisfy the JSON schema in 'response_format': "


class CheckedOpener:
    """Opens targets for requests that carry a JSON schema."""

    def __init__(self, opener: Opener, checker: SchemaChecker) -> None:
        self._opener = opener
        self._checker = checker

    async def check_schema(self, schema: Schema) -> None:
        """Raise `InvalidJsonSchema` for what is not a schema, or may not be one here."""
        await self._checker.check_schema(schema)

    async def open(self, request: Request, target: Target, entry: Entry) -> Exchange:
        """Return an answer that is checked, or a stream that checks itself at its end."""
        schema = request.schema
        if schema is None:
            raise ValueError("the request carries no schema")
        if request.is_stream and self._opener.flows(request, target):
            return CheckedStream(await self._opener.open(request, target, entry), self._checker, schema)
        answer = await self._ask(request.with_fields(stream=None, stream_options=None), schema, target, entry)
        if not request.is_stream:
            return PlainExchange(target, answer)
        return ReplayExchange(target, answer, replay(answer.body, wants_usage=request.wants_usage))

    async def _ask(self, request: Request, schema: Schema, target: Target, entry: Entry) -> Answer:
        """Ask until the answer satisfies the schema, at most three times and within one deadline."""
        deadline = time.monotonic() + target.plain_timeouts.total_seconds
        way = self._opener.way(request, target)
        held = asked = hold_to_schema(request, schema, way)
        violation = ""
        for left in reversed(range(_TRIES)):
            timeouts = remaining(target.plain_timeouts, deadline - time.monotonic())
            answer = await self._opener.ask(asked, target, entry, timeouts)
            answer = release_content(answer, way)
            if left and answer.finish_reason == "length" and self._opener.limits_output(request, target):
                continue
            bad = await violation_of(answer.contents, self._checker, schema)
            if bad is None:
                return answer
            text, violation = bad
            if violation is UNDECIDED:  # another answer would cost as much, and most likely end here again
                break
            asked = ask_again(held, text, violation)
        raise SchemaNotSatisfied(_FAILURE + violation)


class CheckedStream:
    """A stream that is checked against its schema before its last block is released."""

    def __init__(self, stream: Exchange, checker: SchemaChecker, schema: Schema) -> None:
        self.target = stream.target
        self.content_type = stream.content_type
        self._stream = stream
        self._checker = checker
        self._schema = schema
        self.is_whole = False

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it came."""
        return self._stream.finish_reason

    def contents(self) -> dict[int, str]:
        """Return the text of each choice that the schema promise covers."""
        return self._stream.contents()

    async def read(self) -> bytes:
        """Return the next block, or raise `SchemaNotSatisfied` in place of the last one."""
        block = await self._stream.read()
        if self._stream.is_whole:
            await self._check()
        return block

    async def pump(self, sink: Sink) -> bytes:
        """Write all blocks but the last to the client, or raise `SchemaNotSatisfied` in place of the last one."""
        block = await self._stream.pump(sink)
        await self._check()
        return block

    async def _check(self) -> None:
        bad = await violation_of(self._stream.contents(), self._checker, self._schema)
        if bad is not None:
            raise SchemaNotSatisfied(_FAILURE + bad[1])
        self.is_whole = True

    def close(self) -> None:
        """Let the stream go."""
        self._stream.close()


async def violation_of(contents: dict[int, str], checker: SchemaChecker, schema: Schema) -> tuple[str, str] | None:
    """Return the first text that breaks the schema, with the validator's words, or None."""
    for text in contents.values():
        violation = await checker.violation(schema, text)
        if violation is not None:
            return text, violation
    return None
