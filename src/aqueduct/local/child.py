"""The child process: serves one GGUF file with llama.cpp's HTTP server on loopback until its parent is gone.

Run as `python -m aqueduct.local.child`, told a `ChildConfig` (see `parent.py`). Everything llama.cpp prints goes to
standard error.
"""

import http.client
import os
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from aqueduct.local.parent import LOOPBACK, Report, end_with_parent, reporter

_PROBE_TIMEOUT_SECONDS = 5.0
_IDLE = (b"llamacpp:requests_processing 0\n", b"llamacpp:requests_deferred 0\n")


class ChildConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is told; `context_tokens` is for each of the `slots`, the requests served at the same time."""

    model_path: str
    name: str
    api_key: str
    parent_pid: int
    threads: int
    slots: int
    context_tokens: int
    beat_seconds: float


def main() -> int:
    """Serve until the parent is gone; 1 if the model could not be loaded."""
    report = reporter()
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=ChildConfig)
    end_with_parent(config.parent_pid)
    try:
        server = _start_server(config)
    except Exception as error:  # noqa: BLE001 - the edge of the process: the parent tells the user
        report(Report(failure=f"{type(error).__name__}: {error}"))
        return 1
    report(Report(address=server.listening_address))
    while True:
        time.sleep(config.beat_seconds)
        if _is_alive(server):
            report(Report())


def _start_server(config: ChildConfig) -> Any:
    """Load the model and start llama.cpp's server, whose defaults are for one person on a trusted machine."""
    # libgomp reads this when it is loaded: idle threads that spin would starve every other process on the machine.
    os.putenv("GOMP_SPINCOUNT", "0")
    os.putenv("OMP_WAIT_POLICY", "passive")
    import xllamacpp  # noqa: PLC0415 - after the environment is set; and it is an optional extra

    params = xllamacpp.CommonParams()
    params.model.path = config.model_path
    params.hostnames = [LOOPBACK]
    params.port = 0  # the system's choice, reported back: a port chosen beforehand may be taken by then
    params.api_keys = [config.api_key]
    params.model_alias = {config.name}  # what answers call the model; else it is the path
    params.cors_origins = "null"
    params.cors_origins_explicit = True
    params.cors_credentials = False
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_props = False
    params.endpoint_metrics = True  # what `_is_alive` asks in-process needs it; over HTTP it needs the key
    params.cache_ram_mib = 64
    params.n_parallel = config.slots
    params.n_ctx = config.slots * config.context_tokens
    params.n_batch = params.n_ubatch = 256  # the longest step that a sign of life has to wait for
    params.n_threads_http = 64  # an idle kept-alive connection holds one of these threads
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config.threads
    params.use_jinja = True
    params.prefill_assistant = False  # a last message of the assistant is history, not a beginning to go on with
    params.verbosity = 1  # errors
    return xllamacpp.Server(params)


def _is_alive(server: Any) -> bool:
    """Whether the generation loop answers between two steps, and, while it has nothing to do, HTTP as well.

    A busy server is not a hung one: with every HTTP thread taken, `/health` has to queue.
    """
    metrics = server.handle_metrics()
    metrics = metrics if isinstance(metrics, bytes) else str(metrics).encode()
    return not all(line in metrics for line in _IDLE) or _answers_http(server.listening_address)


def _answers_http(address: str) -> bool:
    """Whether `/health`, which needs no key, says that the server is ready."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=_PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health", headers={"connection": "close"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
