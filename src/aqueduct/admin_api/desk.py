"""What an endpoint works with: who asks, the use cases, and versions as ETags.

What all resources have in common is said here, once. Their endpoints are alike in shape all the same: FastAPI reads the
path, the query, the body and the description off each function's own signature and docstring. Functions made for a
resource would have to have their signatures put together at run time, past the type checker, to save a line each.
"""

import re
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request, Response
from fastapi.params import Depends as Dependency

from aqueduct.admin_api.door import ACTOR
from aqueduct.admin_api.schemas import Changes, ListOf, Shown
from aqueduct.control.aggregate import Aggregate
from aqueduct.control.registry import Registry
from aqueduct.domain.actor import Actor
from aqueduct.domain.permissions import Action, is_in_scope
from aqueduct.domain.scopes import Kind
from aqueduct.domain.versioned import Versioned
from aqueduct.errors import InvalidRequest, PermissionDenied, PreconditionRequired
from aqueduct.storage.pages import Listing

Item = TypeVar("Item", bound=Versioned)

IfMatch = Annotated[
    str | None,
    Header(description="The ETag of the version that the change was decided on; `*` for whatever is there now."),
]
ANY_VERSION = "*"


@dataclass(frozen=True)
class Desk:
    """One request at work; its answer's headers go to `response`."""

    registry: Registry
    actor: Actor
    response: Response

    async def page(self, aggregate: type[Aggregate[Item]], listing: Listing, view: type[Shown]) -> ListOf[Shown]:
        """Show a page of a list."""
        page = await aggregate(self.registry).page(self.actor, listing)
        return ListOf[view](  # type: ignore[valid-type]  # a class that is made at run time, for the OpenAPI alone
            data=[view.model_validate(item) for item in page.items], next_cursor=page.next_cursor
        )

    async def read(self, aggregate: type[Aggregate[Item]], reference: str, view: type[Shown]) -> Shown:
        """Show one."""
        return self.show(await aggregate(self.registry).read(self.actor, reference), view)

    async def change(
        self,
        aggregate: type[Aggregate[Item]],
        reference: str,
        changes: Changes,
        if_match: str | None,
        view: type[Shown],
    ) -> Shown:
        """Change one, if it is still as it was when the change was decided on, and show it."""
        item: Item = await self.changed(aggregate, reference, changes, if_match)
        return self.show(item, view)

    async def changed(
        self, aggregate: type[Aggregate[Item]], reference: str, changes: Changes, if_match: str | None
    ) -> Item:
        """Change one, if it is still as it was when the change was decided on, and return it."""
        if if_match is None:
            raise PreconditionRequired("Say in `If-Match` which version is to be changed: its ETag, or `*` for any.")
        given, version = changes.given(), read_etag(if_match)
        if not given:
            raise InvalidRequest("There is nothing to change in the request body.")
        return await aggregate(self.registry).change(self.actor, reference, given, version=version)

    async def delete(
        self, aggregate: type[Aggregate[Item]], reference: str, if_match: str | None, view: type[Shown]
    ) -> Shown:
        """Delete one, if a version is given only that, and show what it was."""
        return self.show(
            await aggregate(self.registry).delete(self.actor, reference, version=read_etag(if_match)), view
        )

    def show(self, item: Versioned, view: type[Shown]) -> Shown:
        """Show an object, its version as the answer's ETag."""
        self.response.headers["etag"] = f'"{item.version}"'
        return view.model_validate(item)


def read_etag(if_match: str | None) -> int | None:
    """Return the version that a header names; None for any. Raises `InvalidRequest` for what is no ETag of ours."""
    if if_match is None or if_match.strip() == ANY_VERSION:
        return None
    match = re.fullmatch(r'"([0-9]{1,9})"', if_match.strip())
    if match is None:
        raise InvalidRequest('An ETag is a version in double quotes, such as "3".', param="If-Match")
    return int(match[1])


@dataclass(frozen=True)
class DeskOpening:
    """Opens a desk behind the scope of a kind of object; without a kind for what everybody does for himself."""

    kind: Kind | None
    action: Action = Action.UPDATE

    async def __call__(self, request: Request, response: Response) -> Desk:
        """Open a desk for whoever asks."""
        actor: Actor = request.scope[ACTOR]
        self.require_scope(actor)
        return Desk(request.app.state.registry, actor.unscoped if self.kind is None else actor, response)

    def require_scope(self, actor: Actor) -> None:
        """Raise `PermissionDenied` unless the actor's API token opens this kind of object."""
        if self.kind is not None and not is_in_scope(actor, self.action, self.kind):
            access = "read" if self.action is Action.READ else "write"
            raise PermissionDenied(f"This takes an API token with the scope `{self.kind}:{access}`.")


def reads(kind: Kind) -> Dependency:
    """Return a desk for who may read this kind of object, as far as his API token's scopes go."""
    found: Dependency = Depends(DeskOpening(kind, Action.READ))
    return found


def writes(kind: Kind) -> Dependency:
    """Return a desk for who may change this kind of object, as far as his API token's scopes go."""
    found: Dependency = Depends(DeskOpening(kind))
    return found


def for_oneself() -> Dependency:
    """Return a desk for what everybody does for himself: the token's scopes do not matter, only whose it is."""
    found: Dependency = Depends(DeskOpening(None))
    return found
