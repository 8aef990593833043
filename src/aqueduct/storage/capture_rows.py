"""Turns what went by into what is kept: a stream into one answer, redacted, then cut to the policy's size.

Pure, and expensive where bodies are large: for a thread.
"""

from typing import Any, NamedTuple

import msgspec

from aqueduct.domain.capture import DAY_SECONDS, Capture, CapturePolicy, Form, Half, Omission, Recorded
from aqueduct.domain.redaction import compile_redaction, redact
from aqueduct.wire.assembly import assemble

_EVENT_START = b"data: "


class Shown(NamedTuple):
    """A half as it is kept."""

    text: str | None = None
    is_truncated: bool = False
    omission: Omission | None = None
    form: Form | None = None


def to_capture(recorded: Recorded) -> Capture:
    """Return what is kept of a request."""
    record, policy = recorded.record, recorded.policy
    prompt, answer = show(recorded.prompt, policy), show(recorded.answer, policy)
    return Capture(
        id=record.id,
        started_at=record.started_at,
        expires_at=record.started_at + policy.retention_days * DAY_SECONDS,
        api_token_id=record.api_token_id,
        organisation_id=record.organisation_id,
        team_id=record.team_id,
        user_id=record.user_id,
        service_account_id=record.service_account_id,
        operation=record.operation,
        model=record.model,
        status=record.status,
        ending=record.ending,
        error_code=record.error_code,
        is_stream=record.is_stream,
        prompt=prompt.text,
        prompt_bytes=0 if recorded.prompt is None else recorded.prompt.size,
        prompt_is_truncated=prompt.is_truncated,
        prompt_omission=prompt.omission,
        answer=answer.text,
        answer_bytes=0 if recorded.answer is None else recorded.answer.size,
        answer_is_truncated=answer.is_truncated,
        answer_omission=answer.omission,
        answer_form=answer.form,
    )


def show(half: Half | None, policy: CapturePolicy) -> Shown:
    """Return what is kept of a prompt or an answer."""
    if half is None or not half.size:
        return Shown()
    if not half.held:
        return Shown(omission=Omission.NO_ROOM if half.lacks_room else Omission.TOO_LARGE)
    is_stream = half.held.startswith(_EVENT_START)
    if not is_stream and not policy.redacted:
        return cut(half, half.held, Form.BODY, policy)
    if not is_stream and half.is_cut:
        return Shown(omission=Omission.NO_ROOM if half.lacks_room else Omission.TOO_LARGE)
    try:
        document = assemble(half.held) if is_stream else msgspec.json.decode(half.held, type=dict[str, Any])
        text = msgspec.json.encode(redact(document, compile_redaction(policy.redacted)))
    except (ValueError, OverflowError, RecursionError):
        # What cannot be read cannot be redacted: then nothing of it is kept.
        return Shown(omission=Omission.UNREADABLE) if policy.redacted else cut(half, half.held, Form.EVENTS, policy)
    return cut(half, text, Form.ASSEMBLED if is_stream else Form.BODY, policy)


def cut(half: Half, text: bytes, form: Form, policy: CapturePolicy) -> Shown:
    """Cut a text to size, at a whole character; both engines hold it: no NUL, and nothing that is no UTF-8."""
    is_truncated = half.is_cut or len(text) > policy.max_bytes
    kept = text[: policy.max_bytes]
    if len(kept) < len(text):
        kept = without_torn_character(kept)
    return Shown(kept.decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}"), is_truncated, None, form)


def without_torn_character(text: bytes) -> bytes:
    """Return the text without a character at its end of which only some bytes are there."""
    start = len(text) - 1
    while start > 0 and len(text) - start < 4 and text[start] & 0xC0 == 0x80:
        start -= 1
    lead = text[start] if text else 0
    length = 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)
    return text if len(text) - start >= length else text[:start]
