"""What every command does first: read the settings, set the log up, open what the gateway has made."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from aqueduct.control.workspace import Workspace, open_workspace
from aqueduct.settings import Settings, read_settings
from aqueduct.telemetry.logs import configure_logs

Result = TypeVar("Result")
UNBOUNDED_COLUMNS = 1000
"""The width of a table that nobody looks at on a terminal: no cell is cut short for a program."""


def settings_for(**flags: object) -> Settings:
    """Read the settings, the command's own flags first, and warn of names that mean nothing."""
    settings, warnings = read_settings(None, **flags)
    configure_logs(settings)
    for warning in warnings:
        note(f"warning: {warning}")
    return settings


def in_workspace(work: Callable[[Workspace], Awaitable[Result]]) -> Result:
    """Run one piece of work on the data directory that a gateway has made."""
    settings = settings_for()

    async def run() -> Result:
        async with open_workspace(settings) as workspace:
            return await work(workspace)

    return asyncio.run(run())


def note(text: str) -> None:
    """Tell the person something that is not the command's result."""
    print(text, file=sys.stderr)


def show(table: Table) -> None:
    """Print a table, as wide as it needs to be unless it is on a terminal."""
    Console(width=None if sys.stdout.isatty() else UNBOUNDED_COLUMNS).print(table)
