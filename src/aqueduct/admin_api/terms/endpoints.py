"""The endpoints of terms of service."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, for_oneself, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.admin_api.terms.schemas import AcceptanceView, NewTerms, TermsQuery, TermsView
from aqueduct.control.terms import TermsOfService
from aqueduct.domain.scopes import Kind

router = new_router("terms")
Own = Annotated[Desk, for_oneself()]
Writing = Annotated[Desk, writes(Kind.TERMS)]


@router.get("")
async def list_terms(desk: Own, query: Annotated[TermsQuery, Query()]) -> ListOf[TermsView]:
    """List the versions that you may see, the newest first."""
    page = await TermsOfService(desk.registry).page(desk.actor, query.listing())
    return ListOf(data=[TermsView.model_validate(each) for each in page.items], next_cursor=page.next_cursor)


@router.post("", status_code=201)
async def publish_terms(desk: Writing, body: NewTerms) -> TermsView:
    """Put a new version in force, which the organisation's users must accept before their API tokens work again."""
    terms = await TermsOfService(desk.registry).publish(desk.actor, body.text, organisation=body.organisation)
    return TermsView.model_validate(terms)


@router.get("/{terms}")
async def read_terms(desk: Own, terms: str) -> TermsView:
    """Read a version by its id, whether or not it is in force."""
    return TermsView.model_validate(await TermsOfService(desk.registry).read(desk.actor, terms))


@router.post("/{terms}/accept")
async def accept_terms(desk: Own, terms: str) -> AcceptanceView:
    """Accept the version in force, for yourself; any API token of yours will do."""
    return AcceptanceView.model_validate(await TermsOfService(desk.registry).accept(desk.actor, terms))
