"""The one door: whether this is a schema, and whether this answer satisfies it."""

from collections import OrderedDict
from typing import Any

from jsonschema_rs import Validator

from aqueduct.errors import InvalidJsonSchema
from aqueduct.gateway.schema.limits import MAX_TEXT_BYTES, encode_schema, fits_inline, inline_weight
from aqueduct.gateway.schema.reading import NotJson
from aqueduct.gateway.schema.validation import BadSchema, compile_schema, is_satisfied, not_json
from aqueduct.gateway.schema.worker import BAD_SCHEMA, OK
from aqueduct.gateway.workers.pool import Crew, OverDeadline, Trade, WorkerPool
from aqueduct.gateway.workers.process import Reply

_KNOWN_SCHEMAS = 256
_TRADE = Trade(
    module="aqueduct.gateway.schema.worker",
    too_many="Too many answers are waiting to be checked against their JSON schema.",
    unavailable="JSON schemas cannot be checked right now.",
)

UNDECIDED = "The answer could not be checked against the schema within the limits of time and memory."


class _KnownSchema:
    """A schema that compiles: `validator` and `weight` are None where only a worker may touch it."""

    __slots__ = ("validator", "weight")

    def __init__(self, validator: Validator | None, weight: int | None) -> None:
        self.validator = validator
        self.weight = weight


class SchemaChecker:
    """Compiles and checks JSON schemas under a deadline.

    Cheap schemas are judged in the event loop within about a millisecond, all others in at most `workers` processes.
    Both methods raise `Overloaded` when more than `queue_limit` callers are waiting for a worker.
    """

    def __init__(
        self,
        *,
        deadline_seconds: float = 2.0,
        workers: int = 2,
        idle_seconds: float = 300.0,
        queue_limit: int = 64,
    ) -> None:
        self._pool = WorkerPool(
            _TRADE,
            Crew(size=workers, most_a_caller=workers, queue_limit=queue_limit),
            deadline_seconds=deadline_seconds,
            idle_seconds=idle_seconds,
        )
        self._known: OrderedDict[bytes, _KnownSchema] = OrderedDict()

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers now alive."""
        return self._pool.pids

    async def check_schema(self, schema: dict[str, Any] | bool) -> None:
        """Raise `InvalidJsonSchema` unless the schema is valid, self-contained, small enough and quick to compile."""
        encoded = encode_schema(schema)
        if self._recall(schema, encoded) is None:
            await self._ask(encoded, None)

    async def violation(self, schema: dict[str, Any] | bool, text: str) -> str | None:
        """Return None when `text` is JSON that satisfies the schema, else a sentence that tells a model what to mend.

        An answer that cannot be judged within the deadline counts as a violation (`UNDECIDED`). Raises
        `InvalidJsonSchema`.
        """
        encoded = encode_schema(schema)
        known = self._recall(schema, encoded)
        if known is not None and known.validator is not None and fits_inline(known.weight, text):
            try:
                if is_satisfied(known.validator, text):
                    return None
            except NotJson as error:
                return not_json(error)
        try:
            utf8 = text.encode()
        except UnicodeEncodeError:
            return not_json(NotJson("a string holds half of a surrogate pair"))
        if len(utf8) > MAX_TEXT_BYTES:
            return f"The answer is longer than the {MAX_TEXT_BYTES} bytes that are checked against a schema."
        try:
            reply = await self._ask(encoded, utf8)
        except OverDeadline:
            return UNDECIDED
        return None if reply.code == OK else reply.words

    async def close(self) -> None:
        """End the worker processes; the checker cannot be used afterwards."""
        await self._pool.close()

    def _recall(self, schema: dict[str, Any] | bool, encoded: bytes) -> _KnownSchema | None:
        """Return what is known of a schema, compiling it if it is cheap; None: only a worker can tell."""
        known = self._known.get(encoded)
        if known is not None:
            self._known.move_to_end(encoded)
            return known
        weight = inline_weight(schema, len(encoded))
        if weight is None:
            return None
        try:
            validator = compile_schema(schema)
        except BadSchema as error:
            raise _invalid(str(error)) from None
        return self._remember(encoded, _KnownSchema(validator, weight))

    async def _ask(self, encoded: bytes, text: bytes | None) -> Reply:
        """Ask a worker; a schema that it refuses, or whose compilation it does not survive, raises."""
        try:
            reply = await self._pool.ask(encoded, text)
        except OverDeadline:
            if text is not None:
                raise
            raise _invalid("It cannot be compiled within the limits of time and memory.") from None
        if reply.code == BAD_SCHEMA:
            raise _invalid(reply.words)
        if encoded not in self._known:
            self._remember(encoded, _KnownSchema(None, None))
        return reply

    def _remember(self, encoded: bytes, known: _KnownSchema) -> _KnownSchema:
        self._known[encoded] = known
        if len(self._known) > _KNOWN_SCHEMAS:
            self._known.popitem(last=False)
        return known


def _invalid(reason: str) -> InvalidJsonSchema:
    return InvalidJsonSchema(f"The JSON schema in `response_format` cannot be used. {reason}")
