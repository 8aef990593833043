"""Where browsers find this gateway: what issuers send them back to, and what passkeys belong to."""

from aqueduct.settings import Settings


def public_origin(settings: Settings, port: int) -> str:
    """Return the configured address; without one the gateway is for this machine, under the name that passkeys take.

    `port` is what is listened on.
    A request's `host` is not asked: whoever sends it could say anything.
    """
    return settings.public_url or f"http://localhost:{port}"
