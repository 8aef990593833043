"""What a file declares, as one list of objects: each after those it is in."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from msgspec import UNSET

from aqueduct.config.declared import (
    BudgetNode,
    Declarations,
    EndUserNode,
    LimitNode,
    OrganisationNode,
    SubjectNode,
    TeamNode,
    WebhookNode,
)
from aqueduct.config.load import Source
from aqueduct.control.allowances import checked_nano, parse_amount
from aqueduct.domain.scopes import Kind
from aqueduct.errors import ControlError

Node = TypeVar("Node", bound=msgspec.Struct)
NESTED = frozenset({"name", "models", "limits", "budgets", "users", "teams", "end_users", "webhooks", "members"})
NAMING = NESTED | {"service_accounts", "user", "period", "currency", "dimension", "model_pattern", "amount"}
"""Keys that are not fields to be changed: they hold other objects, or say which object is meant."""


@dataclass(frozen=True, eq=False)
class Declared:
    """One object: where the file says so, how it is found again within its parent, and what it is to be.

    `end_user` is whom a limit or budget is about where that is no object.
    """

    kind: Kind
    path: str
    label: str
    identity: Mapping[str, object]
    fields: Mapping[str, object]
    parent: "Declared | None" = None
    end_user: str | None = None


@dataclass
class Reading:
    """Turns the nodes of a file into a list."""

    source: Source
    found: list[Declared] = field(default_factory=list)
    seen: set[object] = field(default_factory=set)

    def read(self, declarations: Declarations) -> Sequence[Declared]:
        """Return everything that is declared; raise `ConfigurationError` for what is declared twice."""
        for path, node in numbered("$.organisations", declarations.organisations or []):
            self.add_organisation(path, node)
        self.add_webhooks("$.webhooks", declarations.webhooks or [], None)
        return self.found

    def add(self, declared: Declared) -> Declared:
        """Add one object."""
        key = (declared.kind, declared.parent, declared.end_user, tuple(declared.identity.items()))
        if key in self.seen:
            raise self.source.error(declared.path, f"{declared.label} is declared twice")
        self.seen.add(key)
        self.found.append(declared)
        return declared

    def add_named(
        self, kind: Kind, path: str, node: SubjectNode | WebhookNode, parent: Declared | None = None
    ) -> Declared:
        """Add an object that has a name."""
        label = node.name if parent is None else f"{parent.label}/{node.name}"
        return self.add(Declared(kind, path, label, {"name": node.name}, fields_of(node), parent))

    def add_subject(self, kind: Kind, path: str, node: SubjectNode, parent: Declared | None = None) -> Declared:
        """Add an object with its rule, limits and budgets."""
        subject = self.add_named(kind, path, node, parent)
        if node.models is not None:
            fields = fields_of(node.models)
            self.add(Declared(Kind.MODEL_RULE, f"{path}.models", subject.label, {}, fields, subject))
        self.add_allowances(path, node, subject)
        return subject

    def add_allowances(self, path: str, node: SubjectNode, subject: Declared) -> None:
        """Add the limits and budgets of a subject."""
        for place, limit in numbered(f"{path}.limits", node.limits):
            self.add(declared_limit(place, subject.label, limit, subject, None))
        for place, budget in numbered(f"{path}.budgets", node.budgets):
            with self.pointing_at(place):
                self.add(declared_budget(place, budget, subject))

    def add_end_user(self, path: str, node: EndUserNode, organisation: Declared) -> None:
        """Add the limits of an end user."""
        for place, limit in numbered(f"{path}.limits", node.limits):
            self.add(declared_limit(place, f"{organisation.label}/{node.name}", limit, organisation, node.name))

    def add_organisation(self, path: str, node: OrganisationNode) -> None:
        """Add an organisation with all that is in it."""
        organisation = self.add_subject(Kind.ORGANISATION, path, node)
        for place, user in numbered(f"{path}.users", node.users):
            self.add_subject(Kind.USER, place, user, organisation)
        for place, team in numbered(f"{path}.teams", node.teams):
            self.add_team(place, team, organisation)
        for place, end_user in numbered(f"{path}.end_users", node.end_users):
            self.add_end_user(place, end_user, organisation)
        self.add_webhooks(f"{path}.webhooks", node.webhooks, organisation)

    def add_team(self, path: str, node: TeamNode, organisation: Declared) -> None:
        """Add a team with its people and service accounts."""
        team = self.add_subject(Kind.TEAM, path, node, organisation)
        for place, member in numbered(f"{path}.members", node.members):
            identity = {"user": member.user}
            label = f"{team.label}/{member.user}"
            self.add(Declared(Kind.MEMBERSHIP, place, label, identity, fields_of(member), team))
        for place, account in numbered(f"{path}.service_accounts", node.service_accounts):
            self.add_subject(Kind.SERVICE_ACCOUNT, place, account, team)

    def add_webhooks(self, path: str, nodes: Sequence[WebhookNode], parent: Declared | None) -> None:
        """Add webhooks."""
        for place, node in numbered(path, nodes):
            self.add_named(Kind.WEBHOOK, place, node, parent)

    @contextlib.contextmanager
    def pointing_at(self, path: str) -> Iterator[None]:
        """Turn what cannot be done into an error that points at a line."""
        try:
            yield
        except ControlError as error:
            raise self.source.error(path, str(error)) from error


def declared_limit(path: str, label: str, node: LimitNode, subject: Declared, end_user: str | None) -> Declared:
    """Return what a node says of a limit."""
    identity = {"dimension": node.dimension.value, "model_pattern": node.model_pattern}
    label = " ".join([label, node.dimension, *([] if node.model_pattern is None else [node.model_pattern])])
    return Declared(Kind.LIMIT, path, label, identity, fields_of(node) | {"amount": node.amount}, subject, end_user)


def declared_budget(path: str, node: BudgetNode, subject: Declared) -> Declared:
    """Return what a node says of a budget; raises `InvalidValue` for an amount that is none."""
    identity = {"period": node.period.value, "currency": node.currency}
    fields = fields_of(node) | {"amount_nano": checked_nano(parse_amount(str(node.amount)))}
    return Declared(Kind.BUDGET, path, f"{subject.label} {node.period} {node.currency}", identity, fields, subject)


def fields_of(node: msgspec.Struct) -> dict[str, object]:
    """Return what a node says of its object's own fields; what is left out is not there."""
    said = {name: value for name, value in msgspec.structs.asdict(node).items() if name not in NAMING}
    plain: dict[str, object] = msgspec.to_builtins({name: each for name, each in said.items() if each is not UNSET})
    return plain


def numbered(path: str, nodes: Sequence[Node]) -> Iterator[tuple[str, Node]]:
    """Yield each node of a list with its path."""
    for index, node in enumerate(nodes):
        yield f"{path}[{index}]", node
