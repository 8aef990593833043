"""The command line: each command is a thin call into `control/`, or into the gateway's `app`.

What a program may want to read goes to standard output, everything else to standard error.
"""

import sys
from importlib.metadata import version

import typer
from sqlalchemy.exc import SQLAlchemyError

from aqueduct.cli import (
    apply,
    audit,
    budget,
    cache,
    capture,
    chat,
    database,
    import_litellm,
    limit,
    model_rule,
    models,
    organisation,
    serve,
    service_account,
    simulate,
    team,
    terms,
    token,
    usage,
    user,
    webhook,
)
from aqueduct.errors import AqueductError

app = typer.Typer(
    name="aqueduct",
    help="A self-hosted AI gateway: one OpenAI-compatible endpoint in front of any model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.run)
app.command("check")(models.check)
app.command("chat")(chat.run)
app.command("apply")(apply.run)
app.command("import-litellm")(import_litellm.run)
app.command("simulate")(simulate.run)
app.add_typer(models.commands, name="models")
app.add_typer(token.commands, name="token")
app.add_typer(organisation.commands, name="organisation")
app.add_typer(team.commands, name="team")
app.add_typer(user.commands, name="user")
app.add_typer(service_account.commands, name="service-account")
app.add_typer(model_rule.commands, name="model-rule")
app.add_typer(limit.commands, name="limit")
app.add_typer(budget.commands, name="budget")
app.add_typer(terms.commands, name="terms")
app.add_typer(audit.commands, name="audit")
app.add_typer(usage.commands, name="usage")
app.add_typer(capture.commands, name="capture")
app.add_typer(cache.commands, name="cache")
app.add_typer(database.commands, name="database")
app.add_typer(webhook.commands, name="webhook")


@app.command("version")
def show_version() -> None:
    """Show the version."""
    print(version("aqueduct-gateway"))


def main() -> None:
    """Run the command that the process was started with; a mistake is one line on standard error and status 1."""
    try:
        app()
    except AqueductError as error:
        fail(str(error))
    except SQLAlchemyError as error:
        # The statement and its values, which the rest of the message holds, help nobody here.
        fail(f"The database does not answer: {str(error).splitlines()[0]}")
    except OSError as error:
        fail(str(error))


def fail(message: str) -> None:
    """End the process with a message."""
    print(f"aqueduct: {message}", file=sys.stderr)
    raise SystemExit(1)
