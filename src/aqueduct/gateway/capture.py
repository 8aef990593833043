"""Keeps what a request says and is answered, where its token's policy asks for it; elsewhere nothing of this is made.

A block is noted on its way and never held up, parsed or changed: what is to be redacted is redacted before it is
written, by whoever takes it (`storage/captures.py`).
"""

from typing import Protocol

from aqueduct.domain.capture import EVENT_BYTES_A_BYTE, MAX_REDACTED_BYTES, CapturePolicy, Half, Recorded
from aqueduct.domain.usage import UsageRecord

_EVENT_START = b"data: "
_EVENT_END = b"\n\n"


class Recorder(Protocol):
    """Where captures go; nothing in it waits."""

    def hold(self, size: int) -> bool:
        """Make room for so many bytes of content; False where there is none."""

    def take(self, recorded: Recorded) -> None:
        """Take a request whose bytes are held."""


class Recording:
    """What is kept of one request while it runs, within its policy's cap and the room that all share."""

    __slots__ = ("_blocks", "_held", "_is_cut", "_lacks_room", "_policy", "_prompt", "_recorder", "_room", "_size")

    def __init__(self, recorder: Recorder, policy: CapturePolicy, body: bytes) -> None:
        self._recorder = recorder
        self._policy = policy
        self._prompt = self._hold_prompt(body) if policy.prompts else None
        self._blocks: list[bytes] = []
        self._held = self._size = 0
        self._room = 0
        self._is_cut = not policy.answers
        self._lacks_room = False

    def add(self, block: bytes) -> None:
        """Note a part of the answer; of events only whole ones are kept."""
        if not self._size:
            is_stream = block.startswith(_EVENT_START)
            self._room = self._policy.max_bytes * EVENT_BYTES_A_BYTE if is_stream else self._body_room()
        self._size += len(block)
        if self._is_cut:
            return
        kept = block
        if self._held + len(block) > self._room:
            self._is_cut = True
            kept = block[: self._room - self._held]
            if block.startswith(_EVENT_START):
                kept = kept[: kept.rfind(_EVENT_END) + len(_EVENT_END)] if _EVENT_END in kept else b""
        if not self._recorder.hold(len(kept)):
            self._is_cut = self._lacks_room = True
            return
        self._held += len(kept)
        self._blocks.append(kept)

    def finish(self, record: UsageRecord) -> None:
        """Hand everything over; once, when the request is settled."""
        answer = None
        if self._policy.answers:
            answer = Half(b"".join(self._blocks), self._size, self._is_cut, self._lacks_room)
        self._recorder.take(Recorded(record, self._policy, self._prompt, answer))

    def _hold_prompt(self, body: bytes) -> Half:
        kept = body[: self._body_room()]
        if not self._recorder.hold(len(kept)):
            return Half(b"", len(body), is_cut=True, lacks_room=True)
        return Half(kept, len(body), len(kept) < len(body))

    def _body_room(self) -> int:
        """Return how much of a JSON body is held: one that is redacted has to be parsed whole."""
        return MAX_REDACTED_BYTES if self._policy.redacted else self._policy.max_bytes
