"""Captures as they are shown."""

from typing import Annotated, Literal

from pydantic import Field

from aqueduct.admin_api.schemas import Instant, PageQuery, ShownInstant, Text, View
from aqueduct.domain.capture import Form, Omission
from aqueduct.storage.pages import Listing


class CaptureFactsView(View):
    """A capture without what was said.

    The bytes are what went by; a body that was to be kept and is not has an `omission`.
    """

    id: str
    started_at: ShownInstant
    expires_at: ShownInstant
    api_token_id: str
    organisation_id: str | None
    team_id: str | None
    user_id: str | None
    service_account_id: str | None
    operation: str
    model: str | None
    status: int
    ending: str
    error_code: str | None
    is_stream: bool
    prompt_bytes: int
    prompt_is_truncated: bool
    prompt_omission: Omission | None
    answer_bytes: int
    answer_is_truncated: bool
    answer_omission: Omission | None
    answer_form: Form | None


class CaptureView(CaptureFactsView):
    """A capture: the bodies as text, JSON unless they are truncated."""

    prompt: str | None
    answer: str | None


class CaptureQuery(PageQuery):
    """Which captures are wanted."""

    sort: Literal["started_at", "-started_at"] = "-started_at"
    organisation_id: Text | None = None
    team_id: Text | None = None
    user_id: Text | None = None
    service_account_id: Text | None = None
    api_token_id: Text | None = None
    model: Text | None = None
    status: Annotated[int | None, Field(ge=100, le=599)] = None
    ending: Text | None = None
    since: Annotated[Instant | None, Field(description="Requests from then on.")] = None
    until: Annotated[Instant | None, Field(description="Requests before then.")] = None

    def within_time(self) -> Listing:
        """Return what is wanted, as use cases take it."""
        names = sorted(self.model_fields_set - {"limit", "cursor", "sort", "since", "until"})
        return Listing(
            filters={name: value for name in names if (value := getattr(self, name)) is not None},
            sort=self.sort,
            size=self.limit,
            cursor=self.cursor,
            since=None if self.since is None else self.since.timestamp(),
            until=None if self.until is None else self.until.timestamp(),
        )
