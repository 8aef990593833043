"""Options that several commands share, as values: a dataclass whose fields are the options of a command."""

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from aqueduct.control.allowances import NewBudget, NewLimit, parse_budget
from aqueduct.domain.limit import Dimension
from aqueduct.domain.subject import SubjectType
from aqueduct.errors import InvalidValue

Options = TypeVar("Options")

CAPTURE_HELP = "What is kept of prompts and answers: on, off, or `on days=7 bytes=65536 redact=user,a.b`."

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
WithinOrganisation = Annotated[
    str | None, typer.Option("--organisation", help="Which organisation; not needed where there is only one.")
]


def spread(command: Callable[[Options], None]) -> Callable[..., None]:
    """Return a command that takes each field of its one dataclass argument as an option of its own."""
    (kind,) = [hint for name, hint in get_type_hints(command).items() if name != "return"]
    hints = get_type_hints(kind, include_extras=True)

    def run(**given: Any) -> None:
        command(kind(**given))

    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]
    run.__doc__ = command.__doc__
    run.__annotations__ = {**hints, "return": None}
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    return run


@dataclass(frozen=True, kw_only=True)
class SubjectOptions:
    """Whom something is about: exactly one of these."""

    organisation: Annotated[str | None, typer.Option(help="An organisation's name or id.")] = None
    team: Annotated[str | None, typer.Option(help="A team's name or id.")] = None
    user: Annotated[str | None, typer.Option(help="A user's name or id.")] = None
    service_account: Annotated[str | None, typer.Option(help="A service account's name or id.")] = None
    token: Annotated[str | None, typer.Option(help="A token's name or id.")] = None

    def subject(self) -> tuple[SubjectType, str]:
        """Return what is meant; raises `InvalidValue` unless it is one thing."""
        given = {
            SubjectType.ORGANISATION: self.organisation,
            SubjectType.TEAM: self.team,
            SubjectType.USER: self.user,
            SubjectType.SERVICE_ACCOUNT: self.service_account,
            SubjectType.API_TOKEN: self.token,
        }
        return one_of({kind: reference for kind, reference in given.items() if reference is not None})


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """How much there may be of each dimension."""

    requests_per_minute: Annotated[int | None, typer.Option(help="Requests a minute.")] = None
    input_tokens_per_minute: Annotated[int | None, typer.Option(help="Input tokens a minute.")] = None
    output_tokens_per_minute: Annotated[int | None, typer.Option(help="Output tokens a minute.")] = None
    concurrent_requests: Annotated[int | None, typer.Option(help="Requests at the same time.")] = None

    def limits(self, model: str | None = None, multipliers: str | None = None) -> list[NewLimit]:
        """Return a limit for each dimension that was given."""
        weights = {} if multipliers is None else parse_multipliers(multipliers)
        amounts = {dimension: getattr(self, dimension.value) for dimension in Dimension}
        return [
            NewLimit(dimension=dimension, amount=amount, model_pattern=model, multipliers=weights)
            for dimension, amount in amounts.items()
            if amount is not None
        ]


def one_of(given: dict[SubjectType, str]) -> tuple[SubjectType, str]:
    """Return the one subject that was given."""
    if len(given) != 1:
        raise InvalidValue(f"Say whom it is about, by one option, not by {len(given) or 'none'}.")
    return next(iter(given.items()))


def parse_list(text: str, meaning: str) -> tuple[str, ...]:
    """Split a list at its commas; raises `InvalidValue` for an empty part."""
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise InvalidValue(f"`{text}` is not a list of {meaning}. Write them parted by commas.")
    return parts


def parse_multipliers(text: str) -> dict[str, float]:
    """Read `gpt-5=2,gpt-4*=0.5`; raises `InvalidValue` for anything else."""
    multipliers: dict[str, float] = {}
    for part in parse_list(text, "multipliers"):
        model, _, times = part.rpartition("=")
        if not model or re.fullmatch(r"\d{1,7}(\.\d{1,9})?", times) is None:
            raise InvalidValue(f"`{part[:50]}` is not a model's multiplier. Write it such as gpt-5=2 or gpt-4*=0.5.")
        multipliers[model] = float(times)
    return multipliers


def budgets_of(text: str | None) -> list[NewBudget]:
    """Read `5.00/month`, where it is given."""
    return [] if text is None else [parse_budget(text)]
