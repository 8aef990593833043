"""What a capture policy may be, how it is written on a command line, and who may set one."""

import re

import msgspec

from aqueduct.control.registry import Change
from aqueduct.domain.capture import MAX_BYTES, MAX_RETENTION_DAYS, CapturePolicy
from aqueduct.domain.permissions import Action, Resource, may
from aqueduct.domain.redaction import MAX_PATTERN_CHARACTERS, MAX_PATTERNS, is_pattern
from aqueduct.domain.scopes import Kind
from aqueduct.errors import InvalidValue, NotAllowed

SYNTAX = "Write it such as `on`, `off`, or `on days=7 bytes=65536 redact=user,messages[*].content only=prompts`"
_WORD = re.compile(r"(days|bytes|redact|only)=(\S+)")
_HALVES = {"prompts": {"answers": False}, "answers": {"prompts": False}}


def check_policy(policy: CapturePolicy | None) -> None:
    """Raise `InvalidValue` unless the policy, where there is one, can be kept to."""
    if policy is None:
        return
    if not 1 <= policy.retention_days <= MAX_RETENTION_DAYS:
        raise InvalidValue(f"Captures are kept for 1 to {MAX_RETENTION_DAYS} days.")
    if not 1 <= policy.max_bytes <= MAX_BYTES:
        raise InvalidValue(f"Of a body 1 to {MAX_BYTES} bytes are kept.")
    if len(policy.redacted) > MAX_PATTERNS:
        raise InvalidValue(f"There can be {MAX_PATTERNS} members to redact, not {len(policy.redacted)}.")
    for pattern in policy.redacted:
        if not is_pattern(pattern):
            raise InvalidValue(
                f"`{pattern[:MAX_PATTERN_CHARACTERS]}` names no member to redact. "
                "Write a name such as `user`, or a path such as `messages[*].content`."
            )
    if policy.is_on and not (policy.prompts or policy.answers):
        raise InvalidValue("A policy that is on keeps prompts, answers or both.")


def require_right(
    change: Change, before: CapturePolicy | None, after: CapturePolicy | None, *, organisation_id: str | None
) -> None:
    """Raise `NotAllowed` where a policy changes that the actor may not set: it takes an administrator, for a token too.

    A user may not even for his own tokens: what an organisation demands, or has switched on for one of them, is not his
    to switch off.
    """
    place = Resource(kind=Kind.CAPTURE, organisation_id=organisation_id)
    if before != after and not may(change.actor, Action.UPDATE, place):
        raise NotAllowed("You may not set what is captured: it takes an administrator and the scope `captures:write`.")


def parse_policy(text: str) -> CapturePolicy:
    """Read a policy as commands take it; raise `InvalidValue` for anything else."""
    state, *words = text.split() or [""]
    if state not in ("on", "off"):
        raise InvalidValue(f"`{text[:50]}` is not a capture policy. {SYNTAX}.")
    policy = CapturePolicy(is_on=state == "on")
    for word in words:
        match = _WORD.fullmatch(word)
        if match is None:
            raise InvalidValue(f"`{word[:50]}` is not a part of a capture policy. {SYNTAX}.")
        policy = msgspec.structs.replace(policy, **parse_word(match[1], match[2]))
    check_policy(policy)
    return policy


def parse_word(name: str, value: str) -> dict[str, object]:
    """Read one part of a policy."""
    match name:
        case "redact":
            return {"redacted": tuple(value.split(","))}
        case "only":
            if value not in _HALVES:
                raise InvalidValue("`only` is followed by `prompts` or `answers`.")
            return dict(_HALVES[value])
        case _:
            if not value.isdecimal() or len(value) > 12:
                raise InvalidValue(f"`{name}` is followed by a whole number.")
            return {"retention_days" if name == "days" else "max_bytes": int(value)}
