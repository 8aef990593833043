"""The command line: each command is a thin call into `control/`, or into the gateway's `app`.

What a program may want to read goes to standard output, everything else to standard error.
"""

import sys
from collections.abc import Iterable
from importlib import import_module

import typer

from aqueduct.errors import AqueductError

COMMANDS = {
    "models": "models:commands",
    "token": "token:commands",
    "organisation": "organisation:commands",
    "team": "team:commands",
    "user": "user:commands",
    "service-account": "service_account:commands",
    "model-rule": "model_rule:commands",
    "limit": "limit:commands",
    "budget": "budget:commands",
    "terms": "terms:commands",
    "audit": "audit:commands",
    "usage": "usage:commands",
    "capture": "capture:commands",
    "cache": "cache:commands",
    "database": "database:commands",
    "webhook": "webhook:commands",
    "serve": "serve:run",
    "check": "models:check",
    "chat": "chat:run",
    "apply": "apply:run",
    "import-litellm": "import_litellm:run",
    "simulate": "simulate:run",
    "version": "version:run",
}
"""Where each command is: a module here and its function, or its group of commands."""


def program(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the program with the commands named: all of them take a second and a half to import."""
    app = typer.Typer(name="aqueduct", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(describe)
    for name in names:
        module, attribute = COMMANDS[name].split(":")
        command = getattr(import_module(f"aqueduct.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def describe() -> None:
    """A self-hosted AI gateway: one OpenAI-compatible endpoint in front of any model."""


def main() -> None:
    """Run the command that the process was started with; a mistake is one line on standard error and status 1."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        program([asked] if asked in COMMANDS else COMMANDS)()
    except AqueductError as error:
        fail(str(error))
    except database_errors() as error:
        # The statement and its values, which the rest of the message holds, help nobody here.
        fail(f"The database does not answer: {str(error).splitlines()[0]}")
    except OSError as error:
        fail(str(error))


def database_errors() -> tuple[type[Exception], ...]:
    """Return what SQLAlchemy raises, if the command imported it."""
    module = sys.modules.get("sqlalchemy.exc")
    return () if module is None else (module.SQLAlchemyError,)


def fail(message: str) -> None:
    """End the process with a message."""
    print(f"aqueduct: {message}", file=sys.stderr)
    raise SystemExit(1)
