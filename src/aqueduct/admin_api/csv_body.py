"""A body of CSV, as the endpoints that make many objects at once take it."""

from typing import Annotated, Any

from fastapi import Depends, Request

from aqueduct.admin_api.routing import CSV_TYPE
from aqueduct.errors import InvalidRequest

CSV_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {CSV_TYPE: {"schema": {"type": "string"}}}}}
"""What the OpenAPI document says of it."""


async def read_text(request: Request) -> str:
    """Return the body, which is UTF-8."""
    try:
        return (await request.body()).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not UTF-8.") from None


CsvBody = Annotated[str, Depends(read_text)]
