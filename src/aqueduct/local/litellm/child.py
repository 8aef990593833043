"""The child process: imports LiteLLM's SDK with everything off that is not a call, and serves it on loopback.

Run as `python -m aqueduct.local.litellm.child`, told a `ChildConfig` (see `aqueduct.local.parent`). Keys come with each
request, never by the command line or the environment.
"""

import asyncio
import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from aqueduct.local.litellm.server import Application
from aqueduct.local.parent import LOOPBACK, Report, end_with_parent, reporter

_BACKLOG = 1024
_ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",  # else it reads the `.env` of whatever folder this is
    "LITELLM_LOG": "CRITICAL",
    "LITELLM_SUPPRESS_STARTUP_OUTPUT": "true",
    "LITELLM_TELEMETRY": "False",
    # Each of these is otherwise fetched from the internet when the SDK is imported or first used.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


class ChildConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is told."""

    api_key: str
    parent_pid: int
    beat_seconds: float


def main() -> int:
    """Serve until the parent is gone; 1 if the SDK could not be imported."""
    report = reporter()
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=ChildConfig)
    end_with_parent(config.parent_pid)
    try:
        complete = _import_sdk()
    except Exception as error:  # noqa: BLE001 - the edge of the process: the parent tells the user
        report(Report(failure=f"LiteLLM could not be imported: {type(error).__name__}: {error}"))
        return 1
    asyncio.run(_serve(config, complete, report))
    return 0


def _import_sdk() -> Callable[..., Any]:
    """Return `litellm.acompletion`, with neither callbacks nor a log nor a cache nor a word on standard output."""
    # The SDK reads what follows when it is imported, and has no business with the gateway's own settings.
    for name in [name for name in os.environ if name.startswith("AQUEDUCT_")]:
        del os.environ[name]
    os.environ.update(_ENVIRONMENT)
    # What the SDK says of a request may hold its key or its prompt.
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process
    warnings.simplefilter("ignore")
    import litellm  # noqa: PLC0415 - heavy, after the environment is set, and an optional extra

    logging.disable(logging.CRITICAL)
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.disable_hf_tokenizer_download = True
    litellm.drop_params = litellm.modify_params = False
    litellm.num_retries = 0
    litellm.cache = None
    for name in ("callbacks", "input_callback", "success_callback", "failure_callback", "service_callback"):
        setattr(litellm, name, [])
    complete: Callable[..., Any] = litellm.acompletion
    return complete


async def _serve(config: ChildConfig, complete: Callable[..., Any], report: Callable[[Report], None]) -> None:
    """Serve, and give a sign of life now and then from the same event loop: one that hangs gives none."""
    with socket.create_server((LOOPBACK, 0), backlog=_BACKLOG) as listener:
        options = uvicorn.Config(
            Application(config.api_key, complete),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=120,  # longer than the gateway keeps an unused connection
            timeout_graceful_shutdown=1,
        )
        serving = asyncio.ensure_future(uvicorn.Server(options).serve(sockets=[listener]))
        report(Report(address=f"http://{LOOPBACK}:{listener.getsockname()[1]}"))
        while not serving.done():
            await asyncio.wait([serving], timeout=config.beat_seconds)
            report(Report())
        await serving


if __name__ == "__main__":
    sys.exit(main())
