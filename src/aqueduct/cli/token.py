"""`aqueduct token`: make, list, change, renew and revoke API tokens."""

import csv
import enum
import sys
import time
from dataclasses import dataclass
from typing import Annotated

import msgspec
import typer

from aqueduct.cli.filters import OfOrganisation, OfTeam, OfUser, Search, list_of, naming
from aqueduct.cli.objects import Clearable, changes_of, clearing, show_one
from aqueduct.cli.options import CAPTURE_HELP, AsJson, LimitOptions, budgets_of, parse_list, spread
from aqueduct.cli.printing import show_instant, show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.api_tokens import ApiTokens, CreatedToken
from aqueduct.control.bulk import create_api_tokens
from aqueduct.control.capture_policies import parse_policy
from aqueduct.control.issuance import issue
from aqueduct.control.owners import NewApiToken
from aqueduct.control.periods import parse_duration, parse_expiry
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.api_token import ApiToken

commands = typer.Typer(help="API tokens: what clients authenticate with.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="NAME", help="The token's name or id.")]
Expires = Annotated[str | None, typer.Option(help="When it ends: 30d, 12h or 2026-12-31.")]
Models = Annotated[str | None, typer.Option(help="The models it may use: a,b or gpt-*; all if left out.")]
Scopes = Annotated[str | None, typer.Option(help="What it may administer: admin, or teams:read,users:write.")]
Networks = Annotated[str | None, typer.Option(help="From where it may be used: 192.0.2.0/24,2001:db8::/32.")]
Captured = Annotated[str | None, typer.Option(help=CAPTURE_HELP)]
CLEARABLE: Clearable = {
    "expires": ("expires_at", None),
    "models": ("allowed_models", None),
    "scopes": ("scopes", ()),
    "networks": ("ip_allow_list", None),
    "capture": ("capture", None),
}


@dataclass(frozen=True, kw_only=True)
class TokenOptions(LimitOptions):
    """What is said of a new token."""

    name: Annotated[str, typer.Option(help="What the token is called; unique among those of its owner in use.")]
    expires: Expires = None
    models: Models = None
    user: Annotated[str | None, typer.Option(help="Whose it is: a user's name or id.")] = None
    service_account: Annotated[str | None, typer.Option(help="Whose it is: a service account's name or id.")] = None
    team: Annotated[str | None, typer.Option(help="The one of the user's teams that it is charged to.")] = None
    budget: Annotated[str | None, typer.Option(help="What it may spend: 5.00/month; day, week, total.")] = None
    scopes: Scopes = None
    networks: Networks = None
    capture: Captured = None

    def wanted(self, now: float) -> NewApiToken:
        """Return the token that is wanted."""
        return NewApiToken(
            name=self.name,
            user=self.user,
            service_account=self.service_account,
            team=self.team,
            expires_at=None if self.expires is None else parse_expiry(self.expires, now),
            allowed_models=None if self.models is None else parse_list(self.models, "models"),
            scopes=() if self.scopes is None else parse_list(self.scopes, "scopes"),
            ip_allow_list=None if self.networks is None else parse_list(self.networks, "networks"),
            capture=None if self.capture is None else parse_policy(self.capture),
        )


@commands.command("create")
@spread
def create(options: TokenOptions) -> None:
    """Make a token and print its value, once, alone on standard output."""
    wanted, limits, budgets = options.wanted(time.time()), options.limits(), budgets_of(options.budget)
    created = in_workspace(lambda workspace: issue(workspace.registry, SYSTEM, wanted, limits=limits, budgets=budgets))
    print_value(created, "Created")


class TokenState(enum.StrEnum):
    """Whether a token opens the door."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class TokenFilters:
    """Which tokens are listed."""

    organisation: OfOrganisation = None
    team: OfTeam = None
    user: OfUser = None
    service_account: Annotated[str | None, typer.Option(help="Only those of this service account.")] = None
    status: Annotated[TokenState | None, typer.Option(help="Only those in this state.")] = None
    search: Search = None
    as_json: AsJson = False


@commands.command("list")
@spread
def list_all(wanted: TokenFilters) -> None:
    """Show the tokens; never a value."""
    owners = {
        "organisation_id": wanted.organisation,
        "team_id": wanted.team,
        "user_id": wanted.user,
        "service_account_id": wanted.service_account,
    }
    found, names = list_of(ApiTokens, owners, wanted.search, with_ended=True)
    named, now = naming(names), time.time()
    columns = {
        "Name": lambda each: each.name,
        "Id": lambda each: each.id,
        "Value": lambda each: each.hint,
        "Owner": lambda each: named(each.user_id or each.service_account_id),
        "Team": lambda each: named(each.team_id),
        "Models": lambda each: "all" if each.allowed_models is None else each.allowed_models,
        "Created": lambda each: show_instant(each.created_at),
        "Expires": lambda each: show_instant(each.expires_at),
        "State": lambda each: state(each, now),
    }
    api_tokens = [each for each in found if wanted.status in (None, state(each, now))]
    show_list(api_tokens, columns, as_json=wanted.as_json)


commands.command("show")(show_one(ApiTokens))


@dataclass(frozen=True, kw_only=True)
class TokenChanges:
    """What can be changed of a token."""

    name: Named
    rename: Annotated[str | None, typer.Option(help="The new name.")] = None
    expires: Expires = None
    models: Models = None
    scopes: Scopes = None
    networks: Networks = None
    capture: Captured = None
    clear: Annotated[str | None, clearing(CLEARABLE)] = None


@commands.command("change")
@spread
def change(wanted: TokenChanges) -> None:
    """Change what is given of a token; its value stays, and lists are replaced as a whole."""
    given = {
        "name": wanted.rename,
        "expires_at": None if wanted.expires is None else round(parse_expiry(wanted.expires, time.time()), 6),
        "allowed_models": None if wanted.models is None else parse_list(wanted.models, "models"),
        "scopes": None if wanted.scopes is None else sorted(set(parse_list(wanted.scopes, "scopes"))),
        "ip_allow_list": None if wanted.networks is None else parse_list(wanted.networks, "networks"),
        "capture": None if wanted.capture is None else msgspec.to_builtins(parse_policy(wanted.capture)),
    }
    changes = changes_of(given, wanted.clear, CLEARABLE)
    changed = in_workspace(lambda workspace: workspace.api_tokens.change(SYSTEM, wanted.name, changes))
    note(f"Changed `{changed.name}` ({changed.id}).")


@commands.command("rotate")
def rotate(
    name: Named,
    grace: Annotated[str | None, typer.Option(help="How long the old value still works, such as 24h.")] = None,
) -> None:
    """Give a token a new value and print it, once, alone on standard output; all else about the token stays."""
    grace_seconds = 0.0 if grace is None else parse_duration(grace)
    created = in_workspace(lambda workspace: workspace.api_tokens.rotate(SYSTEM, name, grace_seconds=grace_seconds))
    print_value(created, "Rotated")


@commands.command("regenerate")
def regenerate(name: Named) -> None:
    """Give a token a new value and print it, once; the old one, and any before it, ends at once."""
    created = in_workspace(lambda workspace: workspace.api_tokens.regenerate(SYSTEM, name))
    print_value(created, "Regenerated")


@commands.command("revoke")
def revoke(name: Named) -> None:
    """Close a token for good, from the next request on."""
    api_token = in_workspace(lambda workspace: workspace.api_tokens.revoke(SYSTEM, name))
    note(f"Revoked `{api_token.name}` ({api_token.id}).")


@commands.command("import")
def import_all(
    file: Annotated[typer.FileText, typer.Argument(help="CSV, with a column `name`; - reads it.")],
) -> None:
    """Make a token for each row of a CSV file, or none, and print names, ids and values as CSV."""
    text = file.read()
    made = in_workspace(lambda workspace: create_api_tokens(workspace.registry, SYSTEM, text))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("name", "id", "value"))
    writer.writerows((each.api_token.name, each.api_token.id, each.value) for each in made)
    note(f"Made {len(made)} tokens. Their values are shown only now: keep them safe.")


def print_value(created: CreatedToken, done: str) -> None:
    """Print the value, and everything else elsewhere."""
    print(created.value)
    note(f"{done} `{created.api_token.name}` ({created.api_token.id}). The value is shown only now: keep it safe.")


def state(api_token: ApiToken, now: float) -> TokenState:
    """Say whether the token opens the door."""
    if api_token.revoked_at is not None:
        return TokenState.REVOKED
    return TokenState.ACTIVE if api_token.is_usable(now) else TokenState.EXPIRED
