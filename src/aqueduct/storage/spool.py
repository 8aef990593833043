"""Holds what is read faster than it is taken: in memory while it is little, in an unnamed file when it grows."""

import tempfile
from collections.abc import AsyncIterator

MEMORY_BYTES = 1_048_576
BLOCK_BYTES = 65_536


async def spooled(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Take all chunks before the first block is handed on: whoever takes the blocks slowly keeps nothing open."""
    with tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES) as file:
        async for chunk in chunks:
            file.write(chunk)
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            yield block
