"""The promise of structured output: what ends in `stop` satisfies its JSON schema, or the client gets an error.

So do the calls of functions that are `strict`. A plain answer is checked, and asked for again with the validator's
words. A stream of a target that holds itself to the schemas flows and is checked at its end; any other is completed and
checked first, then streamed.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.errors import SchemaNotSatisfied, UpstreamInvalidResponse
from aqueduct.gateway.account import Entry
from aqueduct.gateway.exchange import Exchange, PlainExchange, ReplayExchange, Sink, Tap
from aqueduct.gateway.opening import Opener
from aqueduct.gateway.schema.checker import UNDECIDED, SchemaChecker
from aqueduct.gateway.schema_prompt import ask_again, hold_to_schema, release_content
from aqueduct.gateway.strict_calls import ask_for_calls_again, bad_calls_of, check_functions
from aqueduct.gateway.target_caller import remaining
from aqueduct.providers.base import Answer
from aqueduct.wire.assembly import assemble
from aqueduct.wire.chat_answer import read_answer
from aqueduct.wire.replay import replay
from aqueduct.wire.request import Request, StrictFunction

Schema = dict[str, Any] | bool

_TRIES = 3
_FAILURE = "The model's answer does not satisfy the JSON schema in 'response_format': "
_CALL_FAILURE = "The model's arguments do not satisfy the JSON schema of a strict function: "


class Promise(NamedTuple):
    """What an answer is held to: a schema (None: no one for the whole), and those of the calls of functions."""

    schema: Schema | None
    functions: Mapping[str, StrictFunction]


class CheckedOpener:
    """Opens targets for requests that carry JSON schemas."""

    def __init__(self, opener: Opener, checker: SchemaChecker) -> None:
        self._opener = opener
        self._checker = checker

    async def check_schemas(self, request: Request) -> None:
        """Raise `InvalidJsonSchema` for what is not a schema, or may not be one here."""
        if request.schema is not None:
            await self._checker.check_schema(request.schema)
        await check_functions(request.strict_functions(), self._checker)

    async def open(self, request: Request, target: Target, entry: Entry) -> Exchange:
        """Return an answer that is checked, or a stream that checks itself at its end."""
        promise = Promise(request.schema, request.strict_functions())
        if request.is_stream and self._flows(request, promise, target):
            return CheckedStream(await self._opener.open(request, target, entry), self._checker, promise)
        answer = await self._ask(request.with_fields(stream=None, stream_options=None), promise, target, entry)
        if not request.is_stream:
            return PlainExchange(target, answer)
        return ReplayExchange(target, answer, replay(answer.body, wants_usage=request.wants_usage))

    def _flows(self, request: Request, promise: Promise, target: Target) -> bool:
        """Whether the target holds itself to everything that is promised."""
        if promise.schema is not None and not self._opener.flows(request, target):
            return False
        return not promise.functions or self._opener.holds_calls(request, target)

    async def _ask(self, request: Request, promise: Promise, target: Target, entry: Entry) -> Answer:
        """Ask until the answer satisfies the schemas, at most three times and within one deadline."""
        deadline = time.monotonic() + target.plain_timeouts.total_seconds
        way = StructuredOutput.NATIVE
        held = asked = request
        if promise.schema is not None:
            way = self._opener.way(request, target)
            held = asked = hold_to_schema(request, promise.schema, way)
        failure: SchemaNotSatisfied | None = None
        for left in reversed(range(_TRIES)):
            timeouts = remaining(target.plain_timeouts, deadline - time.monotonic())
            answer = await self._opener.ask(asked, target, entry, timeouts)
            answer = release_content(answer, way)
            if left and answer.finish_reason == "length" and self._opener.limits_output(request, target):
                continue
            again, failure = await self._judge(answer, promise, held)
            if failure is None:
                return answer
            if again is None:
                break
            asked = again
        raise failure or SchemaNotSatisfied(_FAILURE)

    async def _judge(
        self, answer: Answer, promise: Promise, held: Request
    ) -> tuple[Request | None, SchemaNotSatisfied | None]:
        """Return what is wrong with an answer, if anything, and how it is asked for again, if it is."""
        if promise.schema is not None:
            bad = await violation_of(answer.contents, self._checker, promise.schema)
            if bad is not None:
                text, violation = bad
                # Another answer would cost as much, and most likely end here again.
                again = None if violation is UNDECIDED else ask_again(held, text, violation)
                return again, SchemaNotSatisfied(_FAILURE + violation)
        if promise.functions:
            bad_calls = await bad_calls_of(read_answer(answer.body), promise.functions, self._checker)
            if bad_calls is not None:
                again = None if UNDECIDED in bad_calls.violations.values() else ask_for_calls_again(held, bad_calls)
                return again, SchemaNotSatisfied(_CALL_FAILURE + bad_calls.violation, param="tools")
        return None, None


class CheckedStream:
    """A stream that is checked against its schemas before its last block is released."""

    def __init__(self, stream: Exchange, checker: SchemaChecker, promise: Promise) -> None:
        self.target = stream.target
        self.content_type = stream.content_type
        self._stream = stream
        self._checker = checker
        self._promise = promise
        self._blocks: list[bytes] = []
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
        if self._promise.functions:
            self._blocks.append(block)
        if self._stream.is_whole:
            await self._check()
        return block

    async def pump(self, sink: Sink) -> bytes:
        """Write all blocks but the last to the client, or raise `SchemaNotSatisfied` in place of the last one."""
        if self._promise.functions:
            sink = Tap(sink, self._blocks.append)
        block = await self._stream.pump(sink)
        if self._promise.functions:
            self._blocks.append(block)
        await self._check()
        return block

    async def _check(self) -> None:
        schema, functions = self._promise
        if schema is not None:
            bad = await violation_of(self._stream.contents(), self._checker, schema)
            if bad is not None:
                raise SchemaNotSatisfied(_FAILURE + bad[1])
        if functions:
            bad_calls = await bad_calls_of(self._assembled(), functions, self._checker)
            if bad_calls is not None:
                raise SchemaNotSatisfied(_CALL_FAILURE + bad_calls.violation, param="tools")
        self.is_whole = True

    def _assembled(self) -> dict[str, Any]:
        try:
            return assemble(b"".join(self._blocks))
        except (ValueError, RecursionError) as error:
            raise UpstreamInvalidResponse(f"the stream is not a chat completion: {error}") from error

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
