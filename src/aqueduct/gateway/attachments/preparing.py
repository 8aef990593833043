"""Makes of a request with images or files one that its target takes, once for all targets that take the same.

A part is left as it is where the target takes it so. Otherwise an address is fetched, a document becomes its text, and
an image that the target cannot see is refused or, by declared policy, left out. What cannot be done is an
`InvalidRequest` that names the part: another target may do it.
"""

import asyncio
from typing import Any, NamedTuple, Protocol

from aqueduct.domain.model import Target
from aqueduct.errors import InvalidRequest
from aqueduct.gateway.account import Entry
from aqueduct.gateway.attachments.conversion import Converter, Needs
from aqueduct.gateway.attachments.fetching import UrlFetcher
from aqueduct.gateway.attachments.parts import Part, Place, find_parts, replace_parts
from aqueduct.gateway.attachments.room import Holding, Room
from aqueduct.gateway.documents.extraction import DocumentReader
from aqueduct.gateway.exchange import Exchange
from aqueduct.gateway.gathering import gather
from aqueduct.gateway.opening import Opener
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.request import Request

NO_FILES: frozenset[str] = frozenset()

DROPPED_IMAGES = "messages.content.image_url"
"""How the images that were left out are named to the client."""

DROP_IMAGES = "image_url"
"""What `drop_fields` of a provider says for that."""


_PARTS_AT_ONCE = 8
"""How many parts of one request are fetched or read at a time: one with many must not fill the line for all."""


class Opens(Protocol):
    """Opens one target for one request."""

    async def open(self, request: Request, target: Target, entry: Entry) -> Exchange:
        """Return the target's answer, or raise what is in its way."""


class Attachments:
    """Knows how images and files are had and read; the gateway has one."""

    def __init__(self, adapters: Opener, fetcher: UrlFetcher, reader: DocumentReader, room: Room) -> None:
        self._adapters = adapters
        self._fetcher = fetcher
        self._reader = reader
        self._room = room

    def opener(self, opener: Opens, request: Request, entry: Entry) -> Opens:
        """Return what opens targets for this request: `opener`, given what each target takes.

        What that holds of the process's room is the entry's, to be let go when it is over.
        """
        if not isinstance(request, ChatRequest):
            return opener
        if entry.holding is not None:
            entry.holding.release()
        holding = entry.holding = Holding(self._room)
        converter = Converter(self._fetcher, self._reader, holding, entry.principal.id)
        return PreparingOpener(opener, self, converter, request, holding)

    def needs(self, request: Request, target: Target) -> Needs:
        """Return what a target needs of images and files."""
        operation = self._adapters.operation(request, target)
        return Needs(
            fetches_urls=operation.fetches_urls,
            file_types=operation.file_types if target.reads_files else NO_FILES,
            reads_images=target.reads_images,
            drops_images=DROP_IMAGES in target.provider.drop_fields,
        )


class _Prepared(NamedTuple):
    """What is different for targets of the same needs, or why nothing can be made of the request for them."""

    request: Request | None = None
    drops_images: bool = False
    refusal: InvalidRequest | None = None


class PreparingOpener:
    """Opens targets for one request; what was fetched and read for one target is there for the next."""

    def __init__(
        self, opener: Opens, attachments: Attachments, converter: Converter, request: ChatRequest, holding: Holding
    ) -> None:
        self._opener = opener
        self._attachments = attachments
        self._converter = converter
        self._original = request
        self._holding = holding
        self._parts: list[Part] = find_parts(request)
        self._prepared: dict[Needs, _Prepared] = {}
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(_PARTS_AT_ONCE)

    async def open(self, request: Request, target: Target, entry: Entry) -> Exchange:
        """Return the target's answer to the request as it takes it."""
        needs = self._attachments.needs(request, target)
        prepared = await self._prepare_once(needs)
        if prepared.refusal is not None:
            raise prepared.refusal
        began = len(entry.attempts)
        exchange = await self._opener.open(_changed(request, prepared), target, entry)
        if prepared.drops_images:
            for attempt in entry.attempts[began:]:
                if attempt.target is target:
                    attempt.dropped = (*attempt.dropped, DROPPED_IMAGES)
        # No other target is asked now: what was fetched is let go, and only the messages stay, to be counted.
        made = [each.request for each in self._prepared.values() if each.request is not None]
        self._holding.shrink(sum(len(each.fields["messages"]) for each in made))
        return exchange

    async def make_ready(self, request: Request, target: Target) -> None:
        """Have what the target needs fetched and read, so that `open` sends at once, or raises what is in its way."""
        await self._prepare_once(self._attachments.needs(request, target))

    async def _prepare_once(self, needs: Needs) -> _Prepared:
        async with self._turn:  # a hedge needs much the same as the attempt beside it
            prepared = self._prepared.get(needs)
            if prepared is None:
                prepared = self._prepared[needs] = await self._prepare(needs)
            return prepared

    async def _prepare(self, needs: Needs) -> _Prepared:
        try:
            made = await gather([self._convert(part, needs) for part in self._parts])
        except InvalidRequest as refusal:
            return _Prepared(refusal=refusal)
        replacements: dict[Place, Any] = {
            part.place: new for part, new in zip(self._parts, made, strict=True) if new is not None
        }
        if not replacements:
            return _Prepared()
        has_images = any(part.is_image for part in self._parts)
        messages = self._original.fields["messages"]
        await self._holding.take(len(messages))
        return _Prepared(
            request=self._original.with_fields(messages=replace_parts(messages, replacements)),
            drops_images=has_images and not needs.reads_images,
        )

    async def _convert(self, part: Part, needs: Needs) -> Any:
        async with self._places:
            return await self._converter.convert(part, needs)


def _changed(request: Request, prepared: _Prepared) -> Request:
    """Return the request as the target takes it; all that differs between the requests of a walk is the model."""
    changed = prepared.request
    if changed is None or changed.model == request.model:
        return changed or request
    return changed.with_fields(model=request.model)
