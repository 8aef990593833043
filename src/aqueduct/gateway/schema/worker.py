"""The child process in which schemas that might be slow are compiled and checked, so that it can be killed.

Imports nothing but jsonschema-rs and the standard library, and starts in about 50 ms. It speaks on its standard
streams:

- after its start it writes one byte, `READY`;
- a question is `>II` (the length of the schema and of the answer, `NO_TEXT` for "compile only"), then both in UTF-8;
- a reply is `>BI` (one of `OK`, `VIOLATION`, `BAD_SCHEMA`, and the length of the words), then the words in UTF-8.

It ends with the end of its input, so it never outlives the gateway by more than the job in hand; and a job in hand has
a processor allowance that the kernel enforces, for the case that nobody is left to kill it.
"""

import contextlib
import json
import math
import struct
import sys
from collections import OrderedDict
from typing import BinaryIO, Final

from jsonschema_rs import Validator

from aqueduct.gateway.schema.validation import BadSchema, compile_schema, violation_words

READY: Final = b"\x06"
QUESTION: Final = struct.Struct(">II")
REPLY: Final = struct.Struct(">BI")
NO_TEXT: Final = 0xFFFF_FFFF
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


def answer(compiler: Compiler, encoded: bytes, text: bytes | None) -> tuple[int, str]:
    """Return the code and the words of the reply to one question."""
    try:
        validator = compiler.compile(encoded)
    except BadSchema as error:
        return BAD_SCHEMA, str(error)
    words = None if text is None else violation_words(validator, text.decode())
    return (OK, "") if words is None else (VIOLATION, words)


def serve(questions: BinaryIO, replies: BinaryIO, job_seconds: float) -> None:
    """Answer questions, one after the other, until they end."""
    compiler = Compiler()
    replies.write(READY)
    replies.flush()
    while len(head := questions.read(QUESTION.size)) == QUESTION.size:
        schema_length, text_length = QUESTION.unpack(head)
        encoded = questions.read(schema_length)
        text = None if text_length == NO_TEXT else questions.read(text_length)
        allow_processor_time(job_seconds)
        code, words = answer(compiler, encoded, text)
        payload = words.encode(errors="replace")
        replies.write(REPLY.pack(code, len(payload)) + payload)
        replies.flush()


if sys.platform != "win32":
    import resource

    def limit_memory() -> None:
        """Cap the address space, and write no core file when a cap is hit."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Some kernels (macOS) know the limit, but refuse it.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    def allow_processor_time(seconds: float) -> None:
        """Let the kernel end the process (SIGXCPU) when the next job takes longer than it may."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        soft = math.ceil(usage.ru_utime + usage.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))

else:  # Windows has no such limits; the parent's deadline still holds there.

    def limit_memory() -> None:
        """Do nothing."""

    def allow_processor_time(seconds: float) -> None:
        """Do nothing."""


if __name__ == "__main__":
    limit_memory()
    serve(sys.stdin.buffer, sys.stdout.buffer, float(sys.argv[1]))
