"""Lines of the journal as rows."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.domain.usage import AttemptRecord, Undelivered, UsageRecord
from aqueduct.storage.tables import usage_attempts, usage_requests
from aqueduct.storage.usage_rows import ATTEMPT_COLUMNS, NO_TEXT, REQUEST_COLUMNS, read_lines


def line(record: UsageRecord | Undelivered) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def record(**changes: object) -> UsageRecord:
    plain = UsageRecord(id="r1", started_at=1.5, operation="chat", api_token_id="tok_1")
    return msgspec.structs.replace(plain, **changes)


def test_every_column_has_a_value_and_every_field_a_column() -> None:
    assert set(REQUEST_COLUMNS) == {column.name for column in usage_requests.c} - {"delivered"}
    assert set(ATTEMPT_COLUMNS) == {column.name for column in usage_attempts.c}
    assert set(REQUEST_COLUMNS) == set(UsageRecord.__struct_fields__) - {"attempts"}
    assert set(ATTEMPT_COLUMNS) == {*AttemptRecord.__struct_fields__, "request_id", "position"}


def test_each_value_is_in_its_column() -> None:
    attempt = AttemptRecord(target="a/b", provider="a", started_at=2.0, status=500, error="upstream_server_error")
    batch = read_lines([line(record(target="a/b", units={"input_tokens": 3}, total_ms=2.5, attempts=[attempt]))])
    row = dict(zip(REQUEST_COLUMNS, batch.requests[0], strict=True))
    assert row["id"] == "r1"
    assert row["started_at"] == 1_500_000
    assert row["target"] == "a/b"
    assert row["units"] == '{"input_tokens":3}'
    assert row["total_ms"] == 2.5
    assert row["end_user"] == NO_TEXT
    attempt_row = dict(zip(ATTEMPT_COLUMNS, batch.attempts[0], strict=True))
    assert (attempt_row["request_id"], attempt_row["position"], attempt_row["status"]) == ("r1", 0, 500)
    assert attempt_row["error"] == "upstream_server_error"


def test_a_later_line_marks_a_request_as_undelivered() -> None:
    assert read_lines([line(Undelivered(undelivered="r1"))]).undelivered == [("r1",)]


def test_a_nul_character_is_replaced() -> None:
    batch = read_lines([line(record(end_user="a\0b"))])
    assert batch.requests[0][REQUEST_COLUMNS.index("end_user")] == "a\ufffdb"


@pytest.mark.parametrize("damage", [b"{\n", b"\0\0\0\n", b'{"id":1}\n', b"\xff\xfe\n", b"[]\n", b'{"undelivered":1}\n'])
def test_a_damaged_line_is_kept_and_hides_no_other(damage: bytes) -> None:
    batch = read_lines([line(record(id="r1")), damage, line(record(id="r2"))])
    assert batch.damaged == [damage]
    assert [row[0] for row in batch.requests] == ["r1", "r2"]


@given(st.lists(st.binary().map(lambda data: data.replace(b"\n", b"") + b"\n")))
def test_any_bytes_are_rows_or_damage(lines: list[bytes]) -> None:
    batch = read_lines(lines)
    assert len(batch.damaged) + len(batch.requests) + len(batch.undelivered) == sum(each != b"\n" for each in lines)
