"""Makes many users or tokens at once, from CSV: all of them, or none and a list of what is wrong in which line."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from aqueduct.control.api_tokens import ApiTokens, CreatedToken
from aqueduct.control.batches import TokenBatch, open_user_batch
from aqueduct.control.owners import NewApiToken
from aqueduct.control.periods import parse_expiry
from aqueduct.control.registry import Change, Registry
from aqueduct.control.users import NewUser, Users
from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import Role, User
from aqueduct.errors import ControlError, InvalidValue

MAX_ROWS = 10_000
MAX_SHOWN = 20
PAUSED_EVERY = 10
LIST_SEPARATOR = ";"
USER_COLUMNS = ("name", "email", "role", "teams")
TOKEN_COLUMNS = ("name", "user", "service_account", "team", "expires", "models", "scopes", "networks")

Made = TypeVar("Made")
Row = Mapping[str, str]


class InvalidRows(InvalidValue):
    """Rows that cannot be; `errors` are (line, message) pairs, the first line of the file being 1."""

    def __init__(self, errors: Sequence[tuple[int, str]]) -> None:
        shown = [f"line {line}: {message}" for line, message in errors[:MAX_SHOWN]]
        if len(errors) > MAX_SHOWN:
            shown.append(f"and {len(errors) - MAX_SHOWN} more")
        super().__init__(f"Nothing was made. {' '.join(shown)}")
        self.errors = tuple(errors)


async def create_users(registry: Registry, actor: Actor, text: str, *, organisation: str | None = None) -> list[User]:
    """Make a user a row: `name`, and if wanted `email`, `role` and `teams` (ids or names, parted by `;`)."""
    rows = list(read_rows(text, USER_COLUMNS))
    async with registry.changing(actor, taken=Users(registry).taken) as change:
        batch = await open_user_batch(registry, change, organisation)
        await batch.read(column(rows, "name"), column(rows, "email"))

        async def create(row: Row) -> User:
            wanted = NewUser(name=row["name"], email=row.get("email") or None, role=read_role(row))
            return await batch.add(wanted, split(row.get("teams")))

        made = await create_each(rows, create)
        await batch.store()
        return made


async def create_api_tokens(registry: Registry, actor: Actor, text: str) -> list[CreatedToken]:
    """Make a token a row: `name`, and if wanted its owner, expiry, and lists parted by `;`; see `TOKEN_COLUMNS`."""
    rows = list(read_rows(text, TOKEN_COLUMNS))
    async with registry.changing(actor, taken=ApiTokens(registry).taken) as change:
        batch = TokenBatch(registry, change)
        await batch.read(column(rows, "name"), column(rows, "user"))

        async def create(row: Row) -> CreatedToken:
            return await batch.add(read_token(row, change))

        made = await create_each(rows, create)
        await batch.store()
        return made


async def create_each(rows: Sequence[tuple[int, Row]], create: Callable[[Row], Awaitable[Made]]) -> list[Made]:
    """Make every row, and go on past the bad ones to name them all; raises `InvalidRows` where there is one."""
    made: list[Made] = []
    errors: list[tuple[int, str]] = []
    for number, (line, row) in enumerate(rows):
        if number % PAUSED_EVERY == 0:
            # Requests are served by the same event loop.
            await asyncio.sleep(0)
        try:
            made.append(await create(row))
        except ControlError as error:
            errors.append((line, str(error)))
    if errors:
        raise InvalidRows(errors)
    return made


def read_rows(text: str, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Yield each row with its line; raises `InvalidRows` for a file that is not made of these columns."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True, restkey="", restval="")
    try:
        names = list(reader.fieldnames or ())
        if "name" not in names or not set(names) <= set(columns) or len(set(names)) < len(names):
            raise InvalidRows([(1, f"the first line names the columns, `name` and any of {', '.join(columns)}.")])
        for count, row in enumerate(reader):
            if count >= MAX_ROWS:
                raise InvalidRows([(reader.line_num, f"there can be {MAX_ROWS:,} rows.")])
            if "" in row:
                raise InvalidRows([(reader.line_num, "there are more fields than columns.")])
            yield reader.line_num, {name: value.strip() for name, value in row.items()}
    except csv.Error as error:
        raise InvalidRows([(reader.line_num, f"this is not CSV: {error}.")]) from None


def column(rows: Sequence[tuple[int, Row]], name: str) -> set[str]:
    """Return what the rows say in a column."""
    return {value for _, row in rows if (value := row.get(name))}


def read_role(row: Row) -> Role:
    """Return the role of a row; a member's where it says nothing."""
    try:
        return Role(row.get("role") or Role.MEMBER)
    except ValueError:
        raise InvalidValue(f"`{row['role'][:50]}` is not a role. The roles are {', '.join(Role)}.") from None


def read_token(row: Row, change: Change) -> NewApiToken:
    """Return what a row says of a token."""
    return NewApiToken(
        name=row["name"],
        user=row.get("user") or None,
        service_account=row.get("service_account") or None,
        team=row.get("team") or None,
        expires_at=parse_expiry(row["expires"], change.now) if row.get("expires") else None,
        allowed_models=split(row.get("models")) or None,
        scopes=split(row.get("scopes")),
        ip_allow_list=split(row.get("networks")) or None,
    )


def split(text: str | None) -> tuple[str, ...]:
    """Return the different parts of a list in one field."""
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(LIST_SEPARATOR) if part.strip()))
