"""How lists and instants are shown."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from rich.markup import escape
from rich.table import Table

from aqueduct.cli.session import show
from aqueduct.domain.text import printable

Item = TypeVar("Item")


def show_list(items: Sequence[Item], columns: Mapping[str, Callable[[Item], object]], *, as_json: bool) -> None:
    """Print a list as a table, or as JSON in the admin API's form."""
    if as_json:
        print_shown(items)
        return
    table = Table(*columns)
    for item in items:
        # What people have named is not to be read as markup.
        table.add_row(*(escape(printable(text(column(item)))) for column in columns.values()))
    show(table)


def print_shown(items: Sequence[object]) -> None:
    """Print objects for programs, as the admin API shows them."""
    # The forms of all objects take a while to import, which no table should wait for.
    from aqueduct.cli.shown import shown  # noqa: PLC0415 - see above

    print_json([shown(item) for item in items])


def print_one(item: object) -> None:
    """Print one object for programs, as the admin API shows it."""
    from aqueduct.cli.shown import shown  # noqa: PLC0415 - as above

    print_json(shown(item))


def print_json(value: object) -> None:
    """Print a value for programs."""
    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def text(value: object) -> str:
    """Write a cell."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case tuple() | list():
            return ", ".join(map(text, value))
        case _:
            return str(value)


def show_instant(instant: float | None, without: str = "never") -> str:
    """Write an instant in UTC, to the minute; `without` is what stands for none."""
    return without if instant is None else datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M")
