"""`aqueduct import-litellm`: an `aqueduct.yaml` from the config of a LiteLLM proxy or router."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aqueduct.cli.session import note
from aqueduct.config.litellm_import.conversion import Imported, convert
from aqueduct.control.served import how_to_install, missing_extra
from aqueduct.errors import ConfigurationError
from aqueduct.providers.registry import KINDS


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="LiteLLM's YAML file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; standard output if left out.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Turn a LiteLLM config into an aqueduct.yaml, naming what could not be carried over. No secret is copied."""
    try:
        data = config.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{config}: cannot be read: {error.strerror}") from error
    imported = convert(data, str(config), KINDS)
    if output is None:
        sys.stdout.write(imported.text)
    else:
        _write(output, imported.text, is_forced=force)
    _tell(imported, config, output)


def _write(output: Path, text: str, *, is_forced: bool) -> None:
    try:
        with output.open("w" if is_forced else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigurationError(f"{output} is there already: --force writes over it") from None
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from error


def _tell(imported: Imported, config: Path, output: Path | None) -> None:
    note(f"{imported.models} models with {imported.targets} targets were carried over.")
    if imported.notes:
        note(f"{len(imported.notes)} notes, which are comments in the new file too:")
        for each in imported.notes:
            note(f"  {config.name}, {each.words}")
    if imported.variables:
        note("The new file takes these from the environment; no secret was copied:")
        for wanted in imported.variables:
            note(f"  {wanted.name}" + ("" if wanted.line is None else f" (its value is in line {wanted.line} there)"))
    extras = (missing_extra(KINDS[kind], has_key=has_key) for kind, has_key in imported.kinds)
    for extra in sorted({extra for extra in extras if extra is not None}):
        note(f"Its providers need the extra `{extra}`, which is not installed: {how_to_install(extra)}")
    note(f"Then see what would be served: aqueduct check --config {output or 'aqueduct.yaml'}")
