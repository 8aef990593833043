"""Model rules as they are said and shown."""

from typing import Literal

from pydantic import Field

from aqueduct.admin_api.schemas import OMITTED, Body, Changes, SubjectBody, SubjectQuery, SubjectView, Texts
from aqueduct.control.allowances import NewModelRule


class ModelRuleView(SubjectView):
    """Which models a subject may use: `allow` of null is every model, `deny` takes models away again."""

    allow: list[str] | None
    deny: list[str]
    inherits: bool


class ModelRuleValues(Body):
    """Names and patterns of models; a rule that does not inherit makes those above it not matter."""

    allow: Texts | None = None
    deny: Texts = Field(default_factory=list)
    inherits: bool = True

    @property
    def wanted(self) -> NewModelRule:
        """The rule as use cases take it."""
        allow = None if self.allow is None else tuple(self.allow)
        return NewModelRule(allow=allow, deny=tuple(self.deny), inherits=self.inherits)


class NewModelRuleBody(SubjectBody, ModelRuleValues):
    """A rule of a subject that is to be made; there is at most one of each."""


class ModelRuleChanges(Changes):
    """What of a rule can change."""

    allow: Texts | None = OMITTED
    deny: Texts = OMITTED
    inherits: bool = OMITTED


class ModelRuleQuery(SubjectQuery):
    """Which rules are wanted."""

    sort: Literal["created_at", "-created_at"] = "created_at"
