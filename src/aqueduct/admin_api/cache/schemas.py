"""What of the cache is to be cleared, and was."""

from typing import Annotated

from pydantic import Field

from aqueduct.admin_api.schemas import Body, ShownInstant, Text, View
from aqueduct.control.cache import MAX_MODEL_CHARACTERS


class CacheToClear(Body):
    """Whose answers, and of which model; without either those of all that you may clear."""

    organisation: Text | None = None
    model: Annotated[
        str | None,
        Field(min_length=1, max_length=MAX_MODEL_CHARACTERS, description="The model's own name, not an alias of it."),
    ] = None


class CacheClearingView(View):
    """What was cleared; null stands for all."""

    id: str
    organisation_id: str | None
    model: str | None
    cleared_at: ShownInstant
