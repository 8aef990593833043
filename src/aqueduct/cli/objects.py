"""What the commands on every kind of object have in common: showing one, and saying what is to change of it."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from aqueduct.cli.options import parse_list
from aqueduct.cli.printing import print_one
from aqueduct.cli.session import in_workspace
from aqueduct.control.aggregate import Aggregate
from aqueduct.domain.actor import SYSTEM
from aqueduct.errors import InvalidValue

Clearable = Mapping[str, tuple[str, object]]
"""The options whose values can be taken back: the field of each, and what it is then."""


def show_one(aggregate: type[Aggregate[Any]], metavar: str = "NAME") -> Callable[[str], None]:
    """Return the command that prints one object of a kind."""
    meant = "id" if metavar == "ID" else "name or id"

    def show(reference: str) -> None:
        print_one(in_workspace(lambda workspace: aggregate(workspace.registry).read(SYSTEM, reference)))

    show.__doc__ = f"Print one {aggregate.noun} as JSON."
    show.__annotations__["reference"] = Annotated[
        str, typer.Argument(metavar=metavar, help=f"The {aggregate.noun}'s {meant}.")
    ]
    return show


def clearing(clearable: Clearable) -> Any:
    """Return the option by which values are taken back."""
    return typer.Option("--clear", help=f"Take back what was set by these options: {','.join(clearable)}.")


def changes_of(given: Mapping[str, object], clear: str | None, clearable: Clearable) -> dict[str, object]:
    """Return what is to change: the fields that are given (not None), and those that are cleared.

    Raises `InvalidValue` where nothing is, for an option that cannot be cleared, and for one that is given too.
    """
    changes = {field: value for field, value in given.items() if value is not None}
    for name in () if clear is None else parse_list(clear, "options"):
        if name not in clearable:
            known = f"What can be cleared is {', '.join(clearable)}."
            raise InvalidValue(f"`{name[:50]}` cannot be cleared. {known}")
        field, empty = clearable[name]
        if field in changes:
            raise InvalidValue(f"`{name}` is both given and cleared. Do one of them.")
        changes[field] = empty
    if not changes:
        raise InvalidValue("There is nothing to change. Say by options what is to be; `--help` lists them.")
    return changes
