"""What is asked of a Valkey server: scripts, and calls of them as the bytes that are sent."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import hiredis
from typing_extensions import override

from aqueduct.errors import CountersUnavailable

_pack_command: Any = hiredis.pack_command
"""Its types say that it takes one word."""


class Script:
    """A script, and what a call of it with some keys begins with."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self._heads: dict[int, bytes] = {}

    def head(self, keys: int) -> bytes:
        """Return how a call of the script by its digest begins."""
        head = self._heads.get(keys)
        if head is None:
            head = self._heads[keys] = _head(keys, "EVALSHA", self._digest)
        return head

    def whole_head(self, keys: int) -> bytes:
        """Return how a call of the script by its text begins."""
        return _head(keys, "EVAL", self.source)


def _head(keys: int, *words: str) -> bytes:
    # The command, the script, the number of keys, the keys, one argument.
    return b"*%d\r\n%b" % (4 + keys, pack(words))


def pack(words: Sequence[str]) -> bytes:
    """Return words as they stand within a command."""
    packed: bytes = _pack_command(tuple(words))
    return packed.partition(b"\r\n")[2]


def pack_keys(keys: Sequence[str]) -> bytes:
    """Return what comes between the script of a call and its argument."""
    return pack([str(len(keys)), *keys])


class Call:
    """A script to run with its keys and one argument, and what becomes of it; `lose` or `answer` is called once.

    It is sent as `head` and `rest`: what names the script, and what it is given.
    """

    __slots__ = ("_keys", "_script", "head", "is_overdue", "rest", "sent_at")

    def __init__(self, script: Script, keys: int) -> None:
        self._script = script
        self._keys = keys
        self.head = script.head(keys)
        self.rest = b""
        self.sent_at = 0.0
        self.is_overdue = False

    def give(self, packed_keys: bytes, argument: bytes) -> None:
        """Say what the script is given: its keys (see `pack_keys`) and its argument."""
        self.rest = b"%b$%d\r\n%b\r\n" % (packed_keys, len(argument), argument)

    def send_whole(self) -> None:
        """Send the script's text too from now on: the server does not know it."""
        self.head = self._script.whole_head(self._keys)

    def answer(self, reply: Any) -> None:
        """Take the reply, which may come after `expire`."""

    def expire(self) -> None:
        """Stop whoever waits from waiting: the answer is late."""

    def lose(self) -> None:
        """Learn that no answer will come; whether the script ran, nobody knows."""


class Question(Call):
    """A call whose reply somebody waits for; one that comes when nobody does goes to `abandon`."""

    __slots__ = ("reply",)

    def __init__(self, script: Script, keys: int, packed_keys: bytes, argument: str) -> None:
        super().__init__(script, keys)
        self.give(packed_keys, argument.encode())
        self.reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @classmethod
    def of(cls, script: Script, keys: Sequence[str], argument: str) -> "Question":
        """Write a question that is not asked for every request."""
        return cls(script, len(keys), pack_keys(keys), argument)

    @override
    def answer(self, reply: Any) -> None:
        if not self.reply.done():
            self.reply.set_result(reply)
        else:
            self.abandon(reply)

    def abandon(self, reply: Any) -> None:
        """Take a reply that nobody waits for any more."""

    @override
    def expire(self) -> None:
        if not self.reply.done():
            error = CountersUnavailable("Limits cannot be checked at the moment. Try again shortly.")
            error.may_have_reserved = True
            self.reply.set_exception(error)

    lose = expire
