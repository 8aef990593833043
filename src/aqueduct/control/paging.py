"""Lists read to their end, a page in memory at a time."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec

from aqueduct.storage.pages import Listing, Page

Item = TypeVar("Item", bound=msgspec.Struct)


async def every(read: Callable[[Listing], Awaitable[Page[Item]]], listing: Listing) -> AsyncIterator[Item]:
    """Yield what is on each page of a list, from the one that the listing asks for on."""
    while True:
        page = await read(listing)
        for item in page.items:
            yield item
        if page.next_cursor is None:
            return
        listing = dataclasses.replace(listing, cursor=page.next_cursor)
