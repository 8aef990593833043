"""Strings: the patterns of the formats, and what of the client's own patterns the grammar's engine understands."""

import json
import re
from functools import lru_cache

from aqueduct.providers.grammar.shape import Text

_LABEL = "[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,6})?"
_DATE = "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HOST = rf"{_LABEL}(\.{_LABEL}){{1,2}}"
_PATH = "(/[A-Za-z0-9_-]{1,16}){0,3}"

FORMATS = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}$",
    "date-time": f"^{_DATE}T{_TIME}$",
    "duration": "^P([1-9][0-9]{0,2}D|T[1-9][0-9]{0,2}[HMS]|[1-9][0-9]?[WMY])$",
    "email": rf"^[a-z][a-z0-9]{{0,15}}(\.[a-z0-9]{{1,12}})?@{_HOST}$",
    "idn-email": rf"^[a-z][a-z0-9]{{0,15}}(\.[a-z0-9]{{1,12}})?@{_HOST}$",
    "hostname": f"^{_HOST}$",
    "idn-hostname": f"^{_HOST}$",
    "ipv4": rf"^{_OCTET}(\.{_OCTET}){{3}}$",
    "ipv6": "^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}$",
    "uri": f"^https?://{_HOST}{_PATH}$",
    "uri-reference": f"^(https?://{_HOST})?{_PATH}$",
    "iri": f"^https?://{_HOST}{_PATH}$",
    "iri-reference": f"^(https?://{_HOST})?{_PATH}$",
    "uri-template": f"^https?://{_HOST}{_PATH}$",
    "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    "json-pointer": f"^{_PATH}$",
    "relative-json-pointer": f"^(0|[1-9][0-9]?){_PATH}$",
    "regex": "^[A-Za-z0-9 ]{1,24}$",
}
"""By the name of the format: a part of its values that every validator accepts (dates that exist, hosts that end)."""

_LOOKAHEAD = re.compile(r"^\^?\(\?=((?:[^()\\]|\\.|\([^()]*\))*)\)")
_LONGEST_PATTERN = 512
_LONGEST_TEXT = 2048


def understood(text: Text) -> Text | None:
    """Return the text with what the engine understands of its patterns; None if no string can match them all."""
    patterns = tuple(part for pattern in text.patterns for part in _split_lookaheads(pattern))
    verdict = _judge(text.minimum, text.maximum, patterns)
    if verdict == "":
        return Text(text.minimum, text.maximum, patterns)
    kept = tuple(pattern for pattern in patterns if _judge(text.minimum, _LONGEST_TEXT, (pattern,)) == "")
    for maximum in (text.maximum, max(text.minimum, _LONGEST_TEXT)):
        if _judge(text.minimum, maximum, kept) == "":
            return Text(text.minimum, maximum, kept)
    return None if len(kept) == len(patterns) else Text(text.minimum, text.maximum)


def except_strings(values: list[str]) -> str:
    """Return a pattern for the strings, without line breaks, that are none of these."""
    return f"^({_except(values)})$"


def _except(endings: list[str]) -> str:
    """Branch by the next character: one that none of the endings has frees the rest."""
    options = [] if "" in endings else [""]
    firsts = sorted({ending[0] for ending in endings if ending})
    options.append(f"[^{''.join(map(_escape, firsts))}\\n].*" if firsts else ".+")
    options += [f"{_escape(first)}({_except([e[1:] for e in endings if e.startswith(first)])})" for first in firsts]
    return "|".join(options)


def _escape(character: str) -> str:
    return f"\\x{{{ord(character):x}}}"


def _split_lookaheads(pattern: str) -> list[str]:
    """Take lookaheads off the beginning: as patterns of their own they say the same."""
    parts: list[str] = []
    while (match := _LOOKAHEAD.match(pattern)) is not None:
        parts.append("^" + match[1])
        pattern = "^" + pattern[match.end() :]
    return [*parts, pattern]


@lru_cache(maxsize=4096)
def _judge(minimum: int, maximum: int, patterns: tuple[str, ...]) -> str:
    """Return the engine's objection to strings of these patterns, empty if it has none."""
    if any(len(pattern) > _LONGEST_PATTERN for pattern in patterns):
        return "too long"
    from llguidance import LLMatcher, LLParserLimits  # noqa: PLC0415 - an optional extra

    limits = LLParserLimits(initial_lexer_fuel=100_000, max_grammar_size=20_000)
    grammar = "%llguidance {}\nstart: " + text_rule(minimum, maximum, patterns)
    message: str = LLMatcher.validate_grammar(grammar, limits=limits)
    return "" if message.startswith("WARNING") else message


def text_rule(minimum: int, maximum: int, patterns: tuple[str, ...]) -> str:
    """Return the grammar's words for a string, quoted as JSON quotes it."""
    schema: dict[str, object] = {"type": "string", "minLength": minimum, "maxLength": maximum}
    if patterns:
        schema["allOf"] = [{"pattern": pattern} for pattern in patterns]
    return "%json " + json.dumps(schema)
