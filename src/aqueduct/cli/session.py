"""What every command does first: read the settings, set the log up, open what the gateway has made."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from aqueduct.control.workspace import Workspace, noted_config_file, open_workspace
from aqueduct.settings import Settings, read_settings
from aqueduct.telemetry.logs import configure_logs

Result = TypeVar("Result")
CONFIG_NAME = Path("aqueduct.yaml")
UNBOUNDED_COLUMNS = 1000
"""The width of a table that nobody looks at on a terminal: no cell is cut short for a program."""


def settings_for(**flags: object) -> Settings:
    """Read the settings, the command's own flags first, and warn of names that mean nothing."""
    settings, warnings = read_settings(None, **flags)
    configure_logs(settings)
    for warning in warnings:
        note(f"warning: {warning}")
    return settings


def settings_with_config(config: Path | None) -> Settings:
    """Read the settings as `settings_for`; where nothing names a config file, it is the one of the gateway that runs.

    That is the one which the gateway of the data directory was last started with.
    """
    settings = settings_for(config_file=config)
    if settings.config_file is not None:
        return settings
    noted = noted_config_file(settings)
    if noted is None:
        return settings
    note(f"The config is {noted}, with which the gateway was started; --config names another one.")
    return settings.model_copy(update={"config_file": noted})


def hint_at_config(settings: Settings) -> None:
    """Tell of a config file in this directory that nothing names."""
    if settings.config_file is None and CONFIG_NAME.is_file():
        note(f"There is an {CONFIG_NAME} here, which nothing names, so that it is not read: --config {CONFIG_NAME}")


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
