"""Answers that are written while they are read: exports."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse

from aqueduct.wire.lines import CSV, JSON_LINES

EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The entries, a line each.",
        "headers": {"content-disposition": {"schema": {"type": "string"}}},
        "content": {JSON_LINES: {"schema": {"type": "string"}}, CSV: {"schema": {"type": "string"}}},
    }
}
ENDINGS = {JSON_LINES: "jsonl", CSV: "csv"}


async def stream(chunks: AsyncIterator[bytes], media_type: str, name: str) -> StreamingResponse:
    """Answer with chunks as they come, as a file called `name`; what is wrong before the first is still an error."""
    first = await anext(chunks, b"")
    headers = {"content-disposition": f'attachment; filename="{name}.{ENDINGS[media_type]}"'}
    return StreamingResponse(continued(first, chunks), headers=headers, media_type=media_type)


async def continued(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the first chunk and then the others."""
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(chunks, AsyncGenerator):
            await stack.enter_async_context(contextlib.aclosing(chunks))
        if first:
            yield first
        async for chunk in chunks:
            yield chunk
