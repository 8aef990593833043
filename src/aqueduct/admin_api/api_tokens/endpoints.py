"""The endpoints of API tokens."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.api_tokens.schemas import (
    ApiTokenChanges,
    ApiTokenMade,
    ApiTokenQuery,
    ApiTokensMade,
    ApiTokenView,
    NewApiTokenBody,
    Rotation,
)
from aqueduct.admin_api.csv_body import CSV_BODY, CsvBody
from aqueduct.admin_api.desk import Desk, IfMatch, read_etag, reads, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.control import bulk, issuance
from aqueduct.control.api_tokens import ApiTokens, CreatedToken
from aqueduct.domain.scopes import Kind

router = new_router("api_tokens")
Reading = Annotated[Desk, reads(Kind.API_TOKEN)]
Writing = Annotated[Desk, writes(Kind.API_TOKEN)]


@router.get("")
async def list_api_tokens(desk: Reading, query: Annotated[ApiTokenQuery, Query()]) -> ListOf[ApiTokenView]:
    """List the API tokens that you may see."""
    return await desk.page(ApiTokens, query.listing(), ApiTokenView)


@router.post("", status_code=201)
async def create_api_token(desk: Writing, body: NewApiTokenBody) -> ApiTokenMade:
    """Make an API token, with limits and budgets of its own if wanted: all of it, or nothing."""
    created = await issuance.issue(
        desk.registry,
        desk.actor,
        body.wanted,
        limits=[each.wanted for each in body.limits],
        budgets=[each.wanted for each in body.budgets],
    )
    return show_made(desk, created)


@router.post("/bulk", status_code=201, openapi_extra=CSV_BODY)
async def create_api_tokens(desk: Writing, text: CsvBody) -> ApiTokensMade:
    """Make an API token a line, all or none: `name`, and if wanted its owner and lists parted by `;`.

    The columns are `name`, `user`, `service_account`, `team`, `expires`, `models`, `scopes`, `networks`.
    """
    made = await bulk.create_api_tokens(desk.registry, desk.actor, text)
    return ApiTokensMade(data=[with_value(created) for created in made])


@router.get("/{api_token}")
async def read_api_token(desk: Reading, api_token: str) -> ApiTokenView:
    """Read an API token by its id or name."""
    return await desk.read(ApiTokens, api_token, ApiTokenView)


@router.patch("/{api_token}")
async def change_api_token(
    desk: Writing, api_token: str, body: ApiTokenChanges, if_match: IfMatch = None
) -> ApiTokenView:
    """Change an API token."""
    return await desk.change(ApiTokens, api_token, body, if_match, ApiTokenView)


@router.delete("/{api_token}")
async def delete_api_token(desk: Writing, api_token: str, if_match: IfMatch = None) -> ApiTokenView:
    """Revoke an API token, if a version is given only that; answers what it is from now on."""
    tokens = ApiTokens(desk.registry)
    found = await tokens.delete(desk.actor, api_token, version=read_etag(if_match))
    return desk.show(await tokens.after(found), ApiTokenView)


@router.post("/{api_token}/rotate")
async def rotate_api_token(desk: Writing, api_token: str, body: Rotation | None = None) -> ApiTokenMade:
    """Give an API token a new value; the old one works for `grace_seconds` more."""
    grace_seconds = 0.0 if body is None else body.grace_seconds
    rotated = await ApiTokens(desk.registry).rotate(desk.actor, api_token, grace_seconds=grace_seconds)
    return show_made(desk, rotated)


@router.post("/{api_token}/regenerate")
async def regenerate_api_token(desk: Writing, api_token: str) -> ApiTokenMade:
    """Give an API token a new value and end the old one, and any older one, at once."""
    return show_made(desk, await ApiTokens(desk.registry).regenerate(desk.actor, api_token))


@router.post("/{api_token}/revoke")
async def revoke_api_token(desk: Writing, api_token: str) -> ApiTokenView:
    """Close an API token for good."""
    return desk.show(await ApiTokens(desk.registry).revoke(desk.actor, api_token), ApiTokenView)


def show_made(desk: Desk, created: CreatedToken) -> ApiTokenMade:
    """Show a token with its value, which no cache may keep."""
    desk.response.headers["cache-control"] = "no-store"
    desk.show(created.api_token, ApiTokenView)
    return with_value(created)


def with_value(created: CreatedToken) -> ApiTokenMade:
    """Return a token as it is shown once."""
    shown = ApiTokenView.model_validate(created.api_token)
    return ApiTokenMade(**shown.model_dump(), value=created.value)
