"""What can be done with model rules, limits and budgets: what a subject is allowed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.patterns import check_patterns
from aqueduct.control.registry import Change, new_id
from aqueduct.control.subjects import find_subject
from aqueduct.domain.actor import Actor
from aqueduct.domain.budget import Budget, Period, SpentBudget
from aqueduct.domain.identity import Rank
from aqueduct.domain.limit import Dimension, Limit
from aqueduct.domain.measure import MEASURES
from aqueduct.domain.model_rules import ModelRule
from aqueduct.domain.money import MAX_AMOUNT, to_nano
from aqueduct.domain.period import span_at
from aqueduct.domain.permissions import rank_on
from aqueduct.domain.scopes import Kind
from aqueduct.domain.subject import Subject, Subjected, SubjectType
from aqueduct.errors import InvalidValue
from aqueduct.storage.aggregates import BUDGETS, LIMITS, MODEL_RULES
from aqueduct.storage.spending import read_spending

Allowance = TypeVar("Allowance", bound=Subjected)
MAX_LIMIT = 10**15
MAX_THRESHOLD = 1000
LOCAL_ZONES = frozenset({"localtime", "posixrules", "Factory"})
"""What means something else on each machine."""


class Allowances(Aggregate[Allowance]):
    """What the three have in common: a subject, and the rank of who set them, which a lower one cannot undo."""

    ended = None

    async def find_subject(self, change: Change, kind: SubjectType, reference: str) -> Subject:
        """Find what the allowance is about."""
        return await find_subject(self.registry, change.connection, change.actor.unscoped, kind, reference)

    @override
    async def add(self, change: Change, item: Allowance) -> Allowance:
        return await super().add(change, await self.ranked(change, item))

    @override
    async def replace(
        self, change: Change, before: Allowance, after: Allowance, version: int | None = None
    ) -> Allowance:
        return await super().replace(change, before, await self.ranked(change, after), version)

    async def ranked(self, change: Change, item: Allowance) -> Allowance:
        """Return the allowance with the rank of whoever sets it now."""
        lowest = msgspec.structs.replace(item, rank=Rank.MEMBER)
        resource = await self.resource(change.connection, lowest)
        return msgspec.structs.replace(item, rank=rank_on(change.actor, resource))


def common(change: Change, prefix: str, subject: Subject) -> dict[str, object]:
    """Return the fields that each allowance begins with."""
    return {
        "id": new_id(prefix),
        "subject_type": subject.type,
        "subject_id": subject.id,
        "organisation_id": subject.organisation_id,
        "team_id": subject.team_id,
        "user_id": subject.user_id,
        "created_at": change.now,
    }


class NewLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a limit that is to be made."""

    dimension: Dimension
    amount: int
    model_pattern: str | None = None
    multipliers: Mapping[str, float] = {}


class Limits(Allowances[Limit]):
    """The use cases on limits."""

    records = LIMITS
    kind = Kind.LIMIT
    noun = "limit"
    prefix = "lim"
    changeable = frozenset({"amount", "model_pattern", "multipliers"})

    async def create(self, actor: Actor, kind: SubjectType, subject: str, wanted: NewLimit) -> Limit:
        """Limit a subject."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            return await self.add_new(change, await self.find_subject(change, kind, subject), wanted)

    async def create_all(
        self, actor: Actor, kind: SubjectType, subject: str, wanted: Sequence[NewLimit]
    ) -> list[Limit]:
        """Limit a subject in several ways at once."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            about = await self.find_subject(change, kind, subject)
            return [await self.add_new(change, about, each) for each in wanted]

    async def add_new(self, change: Change, subject: Subject, wanted: NewLimit) -> Limit:
        """Add a limit to a transaction."""
        fields = common(change, self.prefix, subject) | msgspec.structs.asdict(wanted)
        return await self.add(change, Limit(**fields | {"multipliers": dict(wanted.multipliers)}))  # type: ignore[arg-type]  # its fields, by name

    @override
    async def check(self, connection: AsyncConnection, item: Limit) -> None:
        if not 0 <= item.amount <= MAX_LIMIT:
            raise InvalidValue(f"A limit is 0 to {MAX_LIMIT}.")
        measure = MEASURES[item.dimension]
        if item.multipliers and measure.is_held:
            raise InvalidValue(f"A limit on {measure.words} has no multipliers: a request takes one place.")
        check_patterns([*item.multipliers, *([] if item.model_pattern is None else [item.model_pattern])])
        if not all(0 <= times <= 1_000_000 for times in item.multipliers.values()):
            raise InvalidValue("A multiplier is a number from 0 to 1,000,000.")


class NewBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a budget that is to be made; `amount` is in units of the currency."""

    amount: Decimal
    period: Period
    currency: str = "USD"
    time_zone: str = "UTC"
    is_hard: bool = True
    alert_thresholds: tuple[int, ...] = ()


class Budgets(Allowances[Budget]):
    """The use cases on budgets; a change may give `amount` as text, in units of the currency."""

    records = BUDGETS
    kind = Kind.BUDGET
    noun = "budget"
    prefix = "bud"
    changeable = frozenset({"amount_nano", "is_hard", "alert_thresholds", "time_zone"})

    async def create(self, actor: Actor, kind: SubjectType, subject: str, wanted: NewBudget) -> Budget:
        """Give a subject a budget."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            return await self.add_new(change, await self.find_subject(change, kind, subject), wanted)

    async def add_new(self, change: Change, subject: Subject, wanted: NewBudget) -> Budget:
        """Add a budget to a transaction."""
        fields = common(change, self.prefix, subject) | msgspec.structs.asdict(wanted)
        del fields["amount"]
        return await self.add(change, Budget(**fields | {"amount_nano": checked_nano(wanted.amount)}))  # type: ignore[arg-type]  # its fields, by name

    async def with_spending(self, budgets: Iterable[Budget]) -> list[SpentBudget]:
        """Add to budgets what was spent of them, by the records that are stored: those of the last second may lack."""
        now = self.registry.now()
        async with self.registry.database.reading() as connection:
            return [await self._with_spending(connection, budget, now) for budget in budgets]

    async def _with_spending(self, connection: AsyncConnection, budget: Budget, now: float) -> SpentBudget:
        begins_at = span_at(budget.period, budget.time_zone, now).begins_at
        spent_nano = await read_spending(connection, budget, begins_at)
        return SpentBudget(**msgspec.structs.asdict(budget), spent_nano=spent_nano, period_began_at=begins_at)

    @override
    def merge(self, before: Budget, changes: Mapping[str, object]) -> Budget:
        if "amount" not in changes:
            return super().merge(before, changes)
        others = {name: value for name, value in changes.items() if name != "amount"}
        return super().merge(before, others | {"amount_nano": checked_nano(parse_amount(str(changes["amount"])))})

    @override
    async def check(self, connection: AsyncConnection, item: Budget) -> None:
        require_known(item, "Budgets")
        if item.amount_nano < 0 or item.amount > MAX_AMOUNT:
            raise InvalidValue(f"A budget is 0 to {MAX_AMOUNT:,}.")
        if re.fullmatch(r"[A-Z]{3}", item.currency) is None:
            raise InvalidValue(
                f"`{item.currency[:10]}` is not a currency. Write its three letters, such as USD or EUR."
            )
        if not is_time_zone(item.time_zone):
            raise InvalidValue(f"`{item.time_zone[:50]}` is not a time zone. Write a name such as Europe/Vienna.")
        thresholds = item.alert_thresholds
        if list(thresholds) != sorted(set(thresholds)) or not all(1 <= each <= MAX_THRESHOLD for each in thresholds):
            raise InvalidValue(f"Alert thresholds are ascending percentages from 1 to {MAX_THRESHOLD}.")


class NewModelRule(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a rule that is to be made."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    inherits: bool = True


class ModelRules(Allowances[ModelRule]):
    """The use cases on which models may be used; a subject has at most one rule."""

    records = MODEL_RULES
    kind = Kind.MODEL_RULE
    noun = "model rule"
    prefix = "rul"
    changeable = frozenset({"allow", "deny", "inherits"})

    @property
    @override
    def taken(self) -> str:
        return "There is already a model rule of this subject. Change that one."

    async def create(self, actor: Actor, kind: SubjectType, subject: str, wanted: NewModelRule) -> ModelRule:
        """Say which models a subject may use."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            about = await self.find_subject(change, kind, subject)
            fields = common(change, self.prefix, about) | msgspec.structs.asdict(wanted)
            return await self.add(change, ModelRule(**fields))  # type: ignore[arg-type]  # its fields, by name

    @override
    async def check(self, connection: AsyncConnection, item: ModelRule) -> None:
        require_known(item, "Model rules")
        check_patterns([*(item.allow or ()), *item.deny])


def require_known(item: Subjected, what: str) -> None:
    """Raise `InvalidValue` for an end user, whom only a client knows; he can be limited, and nothing else."""
    if item.subject_type is SubjectType.END_USER:
        raise InvalidValue(f"{what} are of organisations, teams, users, service accounts and tokens.")


def parse_amount(text: str) -> Decimal:
    """Read an amount of money; raises `InvalidValue` for anything else."""
    if re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,9})?", text.strip()) is None:
        raise InvalidValue(f"`{text[:50]}` is not an amount. Write it such as 5 or 12.50, with up to nine decimals.")
    return Decimal(text.strip())


def parse_budget(text: str) -> NewBudget:
    """Read `5.00/month` or `5.00 EUR/month` as a budget; raises `InvalidValue` for anything else."""
    amount, _, period = text.partition("/")
    amount, _, currency = amount.strip().partition(" ")
    try:
        return NewBudget(amount=parse_amount(amount), period=Period(period.strip()), currency=currency.strip() or "USD")
    except ValueError:
        known = f"Write it such as 5.00/month or 5.00 EUR/month ({', '.join(Period)})."
        raise InvalidValue(f"`{text[:50]}` is not a budget. {known}") from None


def checked_nano(amount: Decimal) -> int:
    """Return an amount in nano-units; raises `InvalidValue` where it cannot be held."""
    try:
        return to_nano(amount)
    except ValueError as error:
        raise InvalidValue(f"A budget is 0 to {MAX_AMOUNT:,}, with up to nine decimals: {error}.") from None


def is_time_zone(name: str) -> bool:
    """Whether the system knows a time zone of this name."""
    if name in LOCAL_ZONES:
        return False
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True
