"""`aqueduct serve`: the gateway."""

from pathlib import Path
from typing import Annotated

import typer

from aqueduct.cli.session import hint_at_config, settings_for
from aqueduct.errors import ConfigurationError


def run(
    config: Annotated[Path | None, typer.Option(help="The file that says what is served: aqueduct.yaml.")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on (8000).")] = None,
    workers: Annotated[int, typer.Option(help="How many processes serve; only 1 for now.")] = 1,
) -> None:
    """Serve. Without a config file that is the embedded model; settings come from AQUEDUCT_* variables."""
    if workers != 1:
        raise ConfigurationError(
            "--workers must be 1: limits are counted inside the process, so several would each allow the whole of them."
        )
    settings = settings_for(config_file=config, host=host, port=port)
    hint_at_config(settings)
    # The gateway's imports take half a second, which no other command should wait for.
    from aqueduct import app  # noqa: PLC0415 - see above

    app.serve(settings)
