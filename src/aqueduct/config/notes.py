"""The notes that `aqueduct import-litellm` leaves in a file, one comment each, for `aqueduct check` to find again."""

from collections.abc import Iterator

MARK = "# import-litellm: "


def find_notes(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of every note in a file; whoever has seen to one deletes its comment."""
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        text = line.strip()
        if text.startswith(MARK):
            yield number, text.removeprefix(MARK)
