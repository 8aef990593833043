"""The child process in which schemas that might be slow are compiled and checked, so that it can be killed.

Imports nothing but jsonschema-rs and the standard library, and starts in about 50 ms. A question is a schema and an
answer to check (none: compile only), both in UTF-8; a reply is one of `OK`, `VIOLATION`, `BAD_SCHEMA`, with its words.
"""

import json
from collections import OrderedDict

from jsonschema_rs import Validator

from aqueduct.gateway.schema.validation import BadSchema, compile_schema, violation_words
from aqueduct.gateway.workers.serving import run

OK, VIOLATION, BAD_SCHEMA = range(3)

MEMORY_BYTES = 512 * 1024 * 1024
COMPILED_SCHEMAS = 64


class Compiler:
    """Compiles schemas and remembers the last `COMPILED_SCHEMAS`."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[bytes, Validator] = OrderedDict()

    def compile(self, encoded: bytes) -> Validator:
        """Return the validator of an encoded schema, or raise `BadSchema`."""
        validator = self._compiled.get(encoded)
        if validator is not None:
            self._compiled.move_to_end(encoded)
            return validator
        try:
            schema = json.loads(encoded)
        except (ValueError, RecursionError) as error:
            raise BadSchema(f"The schema cannot be read: {error}.") from None
        validator = compile_schema(schema)
        self._compiled[encoded] = validator
        if len(self._compiled) > COMPILED_SCHEMAS:
            self._compiled.popitem(last=False)
        return validator

    def answer(self, encoded: bytes, text: bytes | None) -> tuple[int, bytes]:
        """Return the code and the words of the reply to one question."""
        try:
            validator = self.compile(encoded)
        except BadSchema as error:
            return BAD_SCHEMA, str(error).encode(errors="replace")
        words = None if text is None else violation_words(validator, text.decode())
        return (OK, b"") if words is None else (VIOLATION, words.encode(errors="replace"))


if __name__ == "__main__":
    run(Compiler().answer, memory_bytes=MEMORY_BYTES)
