"""`aqueduct token`: create, list, rotate and revoke API tokens."""

import time
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from aqueduct.cli.session import in_workspace, note, show
from aqueduct.control.api_tokens import CreatedToken
from aqueduct.control.periods import parse_duration, parse_expiry
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.api_token import ApiToken
from aqueduct.errors import InvalidValue

commands = typer.Typer(help="API tokens: what clients authenticate with.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="NAME", help="The token's name or id.")]


@commands.command("create")
def create(
    name: Annotated[str, typer.Option(help="What the token is called; unique among those in use.")],
    expires: Annotated[str | None, typer.Option(help="When it ends: 30d, 12h or 2026-12-31.")] = None,
    models: Annotated[str | None, typer.Option(help="The models it may use: a,b or gpt-*; all if left out.")] = None,
) -> None:
    """Make a token and print its value, once, alone on standard output."""
    expires_at = None if expires is None else parse_expiry(expires, time.time())
    allowed = None if models is None else parse_models(models)
    created = in_workspace(
        lambda workspace: workspace.api_tokens.create(name, expires_at=expires_at, allowed_models=allowed)
    )
    print_value(created, "Created")


@commands.command("list")
def list_all(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False) -> None:
    """Show every token; never a value."""
    api_tokens = in_workspace(lambda workspace: workspace.api_tokens.list(SYSTEM))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(api_tokens)).decode())
        return
    now = time.time()
    table = Table("Name", "Id", "Value", "Models", "Created", "Expires", "State")
    for api_token in api_tokens:
        models = "all" if api_token.allowed_models is None else ", ".join(api_token.allowed_models)
        created, expires = show_instant(api_token.created_at), show_instant(api_token.expires_at)
        table.add_row(api_token.name, api_token.id, api_token.hint, models, created, expires, state(api_token, now))
    show(table)


@commands.command("rotate")
def rotate(
    name: Named,
    grace: Annotated[str | None, typer.Option(help="How long the old value still works, such as 24h.")] = None,
) -> None:
    """Give a token a new value and print it, once, alone on standard output; all else about the token stays."""
    grace_seconds = 0.0 if grace is None else parse_duration(grace)
    created = in_workspace(lambda workspace: workspace.api_tokens.rotate(SYSTEM, name, grace_seconds=grace_seconds))
    print_value(created, "Rotated")


@commands.command("revoke")
def revoke(name: Named) -> None:
    """Close a token for good, from the next request on."""
    api_token = in_workspace(lambda workspace: workspace.api_tokens.revoke(SYSTEM, name))
    note(f"Revoked `{api_token.name}` ({api_token.id}).")


def print_value(created: CreatedToken, done: str) -> None:
    """Print the value, and everything else elsewhere."""
    print(created.value)
    note(f"{done} `{created.api_token.name}` ({created.api_token.id}). The value is shown only now: keep it safe.")


def parse_models(text: str) -> tuple[str, ...]:
    """Split a list of model names. Raises `InvalidValue` for an empty one."""
    models = tuple(name.strip() for name in text.split(","))
    if not all(models):
        raise InvalidValue(f"`{text}` is not a list of models. Write their names, parted by commas.")
    return models


def show_instant(instant: float | None) -> str:
    """Write an instant in UTC, to the minute."""
    return "never" if instant is None else datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M")


def state(api_token: ApiToken, now: float) -> str:
    """Say whether the token opens the door."""
    if api_token.revoked_at is not None:
        return "revoked"
    return "active" if api_token.is_usable(now) else "expired"
