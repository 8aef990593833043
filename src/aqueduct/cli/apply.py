"""`aqueduct apply`: brings the database to what aqueduct.yaml declares."""

from pathlib import Path
from typing import Annotated

import typer

from aqueduct.cli.session import in_workspace, note, settings_with_config
from aqueduct.config.declared import read_declarations
from aqueduct.control.apply import apply
from aqueduct.domain.actor import SYSTEM
from aqueduct.errors import ConfigurationError
from aqueduct.settings import environment


def run(
    file: Annotated[
        Path | None, typer.Option("--config", "--file", help="The file; the gateway's own if left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and change nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what was declared once and is no longer in the file.")
    ] = False,
) -> None:
    """Create and change the organisations, people, rules, limits, budgets and webhooks that a file declares."""
    path = settings_with_config(file).config_file
    if path is None:
        raise ConfigurationError(
            "Which file? The gateway was started without one: name it with --config, or set AQUEDUCT_CONFIG_FILE."
        )
    source, declarations = read_declarations(path, environment())
    plan = in_workspace(
        lambda workspace: apply(workspace.registry, SYSTEM, source, declarations, prune=prune, is_dry_run=dry_run)
    )
    for line in plan.lines:
        print(line)
    if not plan.lines:
        note("Everything is as the file says.")
    elif dry_run:
        note("Nothing was changed: this was a dry run.")
    if plan.unlisted:
        note(f"Declared once, and no longer in the file: {plan.unlisted}. They stay; `--prune` deletes them.")
    if plan.has_new_webhooks and not dry_run:
        note("New webhooks have secrets that nobody has seen: `aqueduct webhook rotate NAME` shows a new one.")
