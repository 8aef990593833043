"""`aqueduct version`."""

from importlib.metadata import version


def run() -> None:
    """Show the version."""
    print(version("aqueduct-gateway"))
