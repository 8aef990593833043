"""Terms of service as they are said and shown."""

from typing import Annotated, Literal

from pydantic import Field

from aqueduct.admin_api.schemas import Body, PageQuery, ShownInstant, Text, View
from aqueduct.control.terms import MAX_TEXT_CHARACTERS


class TermsView(View):
    """One version of an organisation's terms; the one with the highest number is in force."""

    id: str
    organisation_id: str
    number: int
    text: str
    published_at: ShownInstant


class AcceptanceView(View):
    """That a user has accepted a version."""

    terms_id: str
    user_id: str
    organisation_id: str
    accepted_at: ShownInstant
    address: str | None


class NewTerms(Body):
    """A version that is to be put in force; without an organisation in your own, or in the only one there is."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARACTERS)]
    organisation: Text | None = None


class TermsQuery(PageQuery):
    """Which versions are wanted."""

    sort: Literal["published_at", "-published_at", "number", "-number"] = "-published_at"
    organisation_id: Text | None = None
