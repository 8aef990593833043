"""Lines come out whole however the bytes were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.wire.ndjson import LineSplitter

lines = st.lists(st.text(st.characters(exclude_characters="\n\r"), max_size=8), max_size=6)


@given(lines, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.data())
def test_lines_cut_anywhere_come_out_whole(texts: list[str], end: str, is_ended: bool, data: st.DataObject) -> None:
    body = (end.join(texts) + (end if is_ended else "")).encode()
    at = sorted(data.draw(st.sets(st.integers(0, len(body)))))
    splitter = LineSplitter()
    found = [line for a, b in zip([0, *at], [*at, len(body)], strict=True) for line in splitter.feed(body[a:b])]
    found += splitter.finish()
    assert found == [line for text in texts if (line := text.encode().strip())]
    assert splitter.finish() == []


def test_a_line_that_never_ends_is_refused() -> None:
    splitter = LineSplitter(max_line_bytes=10)
    assert splitter.feed(b"abc\n0123456789") == [b"abc"]
    with pytest.raises(UpstreamInvalidResponse, match="larger than 10 bytes"):
        splitter.feed(b"x")
