"""Random walks through a grammar, with llguidance's own engine in the place of a model: fast, and blind to sense."""

import random

from llguidance import LLMatcher, LLTokenizer

_BYTES = LLTokenizer("byte")
_QUOTE = ord('"')
_LONGEST = 20_000


def walk(grammar: str, source: random.Random) -> str:
    """Return one text of the grammar's language, or fail where it leads into a dead end."""
    matcher = LLMatcher(_BYTES, grammar)
    text = bytearray()
    while not matcher.is_stopped():
        assert not matcher.is_error(), matcher.get_error()
        mask = matcher.compute_bitmask()
        allowed = [byte for byte in range(256) if mask[byte >> 3] >> (byte & 7) & 1]
        if matcher.is_accepting() and (not allowed or source.random() < 0.3):
            break
        assert allowed, f"a dead end after {bytes(text)!r}"
        assert len(text) < _LONGEST, f"no end after {bytes(text)[:200]!r}"
        byte = _pick(allowed, source)
        assert matcher.consume_token(byte)
        text.append(byte)
    return text.decode()


def _pick(allowed: list[int], source: random.Random) -> int:
    """Prefer printable characters, and now and then the end of a string: uniform bytes would seldom get anywhere."""
    if _QUOTE in allowed and len(allowed) > 50 and source.random() < 0.1:
        return _QUOTE
    printable = [byte for byte in allowed if 32 <= byte < 127]
    return source.choice(printable if printable and source.random() < 0.9 else allowed)
