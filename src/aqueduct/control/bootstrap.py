"""The very first start: an administrator, a first API token of his, and how to use it.

The token is made early and shown at the end of the start-up. In between it waits in a private file, so that a start
that fails half-way (a wrong line in the config) does not lose it: the next one shows it.
"""

import json
import shlex
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from aqueduct.control.api_tokens import CreatedToken
from aqueduct.control.one_time_links import FIRST_LIFETIME_SECONDS, OneTimeLinks, link_of
from aqueduct.control.organisations import Organisations
from aqueduct.control.owners import NewApiToken
from aqueduct.control.registry import new_id
from aqueduct.control.users import NewUser, Users
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.identity import Organisation, Role
from aqueduct.domain.scopes import ADMIN_SCOPE
from aqueduct.domain.session import Purpose
from aqueduct.errors import AlreadyExists
from aqueduct.storage import api_tokens
from aqueduct.storage.directory import DataDirectory, write_private

NAME = "first"
ORGANISATION = "default"
ADMINISTRATOR = "admin"
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - recognised here, not bound


async def create_first_token(workspace: Workspace) -> str | None:
    """Make an administrator and his token where there never was one; return the value yet to be shown, or None."""
    waiting = waiting_file(workspace.directory)
    async with workspace.database.reading() as connection:
        is_first = await api_tokens.count(connection) == 0
    if is_first:
        try:
            created = await create_administrator(workspace)
        except AlreadyExists:
            return None  # another process started at the same moment, and shows it
        write_private(waiting, created.api_token.value.encode())
        write_private(waiting_link_file(workspace.directory), created.link.encode())
        return created.api_token.value
    return waiting.read_text() if waiting.exists() else None


@dataclass(frozen=True)
class FirstKeys:
    """What the first administrator gets in with: an API token, and the value of a one-time link to the pages."""

    api_token: CreatedToken
    link: str = field(repr=False)


async def create_administrator(workspace: Workspace) -> FirstKeys:
    """Make an organisation, its administrator and what he gets in with, which lets him do all that he may, or nothing.

    Raises `AlreadyExists` where there is one already.
    """
    registry = workspace.registry
    async with registry.changing(SYSTEM, taken="There is an administrator already.") as change:
        organisation = Organisation(id=new_id(Organisations.prefix), name=ORGANISATION, created_at=change.now)
        await Organisations(registry).add(change, organisation)
        wanted = NewUser(name=ADMINISTRATOR, role=Role.ADMIN)
        administrator = await Users(registry).add_new(change, wanted, organisation.id)
        first = NewApiToken(name=NAME, user=administrator.id, scopes=(ADMIN_SCOPE,))
        created = await workspace.api_tokens.add_new(change, first)
        links = OneTimeLinks(registry)
        link = await links.add_new(change, administrator, Purpose.SIGN_IN, FIRST_LIFETIME_SECONDS)
        return FirstKeys(created, link)


def announce(
    first_token: str | None,
    workspace: Workspace,
    listener: socket.socket,
    *,
    model: str = "default",
    output: TextIO | None = None,
) -> None:
    """Say where the gateway listens, and show the first token, if there is one, with a curl line that works as pasted.

    On a terminal the token itself is shown. Otherwise the output is a log that others may read: the token goes to
    `first-token` in the data directory, and the line reads it from there.
    """
    output = sys.stdout if output is None else output
    url = base_url(listener)
    output.write(f"Aqueduct listens on {url}\n")
    announce_link(url, workspace.directory, output)
    if first_token is not None:
        waiting = waiting_file(workspace.directory)
        if output.isatty():
            output.write(f"\nYour first API token, shown only now:\n\n    {first_token}\n\n")
            credential = first_token
            waiting.unlink(missing_ok=True)
        else:
            kept = workspace.directory.first_token
            waiting.replace(kept)
            output.write(f"Your first API token is in {kept}\n")
            credential = f"$(cat {shlex.quote(str(kept))})"
        output.write(f"Try it:\n\n{curl_line(url, credential, model)}\n\n")
    else:
        output.write("API tokens: `aqueduct token list`, or `aqueduct token create --name NAME` for another one\n")
    output.flush()


def announce_link(url: str, directory: DataDirectory, output: TextIO) -> None:
    """Show the first administrator's link to the pages, if it was not yet: on a terminal itself, else where it is."""
    waiting = waiting_link_file(directory)
    if not waiting.exists():
        return
    link = link_of(url, waiting.read_text())
    if output.isatty():
        output.write(f"\nSign in to the pages, once and within a week, by:\n\n    {link}\n")
    else:
        write_private(directory.first_link, f"{link}\n".encode())
        output.write(f"Your first link to the pages, which works once, is in {directory.first_link}\n")
    waiting.unlink()


def waiting_link_file(directory: DataDirectory) -> Path:
    """Return where the value of the first link waits to be shown."""
    return directory.first_link.with_name("first-sign-in-link.unshown")


def waiting_file(directory: DataDirectory) -> Path:
    """Return where the first token waits to be shown."""
    return directory.first_token.with_name("first-token.unshown")


def base_url(listener: socket.socket) -> str:
    """Return the URL at which this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    if ":" in host:
        host = ANYWHERE.get(host, f"[{host}]")
    return f"http://{ANYWHERE.get(host, host)}:{port}"


def curl_line(url: str, credential: str, model: str) -> str:
    """Return a request that a shell understands as it is."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Write me a short poem!"}]})
    return (
        f"curl {url}/v1/chat/completions \\\n"
        f'  -H "Authorization: Bearer {credential}" \\\n'
        f'  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(body)}"
    )
