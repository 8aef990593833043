"""What the process is told by its environment: read once, checked as a whole, frozen.

Every setting is an `AQUEDUCT_*` variable named after its field; a secret may come from a file that its `_FILE` twin
names. No other module reads the environment. What is served (providers, models) is not here but in `aqueduct.yaml`.
"""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, SecretStr, ValidationError

from aqueduct.errors import ConfigurationError

PREFIX = "AQUEDUCT_"
MIB = 1024 * 1024
KEY_BYTES = 32
"""The length of an AES-256 key, and the least of an HMAC-SHA-256 key (RFC 2104, 3: not below the hash's output)."""

# Kubernetes describes every service to every pod: AQUEDUCT_SERVICE_HOST, AQUEDUCT_PORT=tcp://… and so on.
KUBERNETES_NAME = re.compile(
    r"AQUEDUCT_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)"
)
KUBERNETES_VALUE = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True)
class ServerKey:
    """A key of the server, with the id that is stored beside every hash or ciphertext made with it."""

    id: str
    key: bytes = field(repr=False)


def parse_hash_keys(text: object) -> object:
    """Parse `id:hex,id:hex`; the first key hashes new tokens, the others still recognise old ones."""
    return parse_keys(text, KEY_BYTES, None)


def parse_encryption_keys(text: object) -> object:
    """Parse `id:hex,id:hex`; the first key encrypts, the others still decrypt."""
    return parse_keys(text, KEY_BYTES, KEY_BYTES)


def parse_keys(text: object, at_least: int, at_most: int | None) -> object:
    """Parse `id:hex,id:hex`, each key of so many bytes; raises `ValueError` without the text, which is a secret."""
    if not isinstance(text, str):
        return text
    keys = []
    for part in text.split(","):
        key_id, _, digits = part.strip().partition(":")
        try:
            key = bytes.fromhex(digits)
        except ValueError:
            key = b""
        is_long_enough = at_least <= len(key) and (at_most is None or len(key) <= at_most)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key_id) or not is_long_enough:
            length = f"{'at least ' if at_most is None else ''}{2 * at_least} hexadecimal digits"
            raise ValueError(f"must be `id:key` pairs parted by commas, each key {length}")
        keys.append(ServerKey(key_id, key))
    return tuple(keys)


def split_names(text: object) -> object:
    """Split a list of host names at commas and blanks."""
    return tuple(re.split(r"[,\s]+", text.strip(", \t"))) if isinstance(text, str) else text


def parse_public_url(text: object) -> object:
    """Check that a text is an origin (`https://ai.example.org`), and leave out a slash behind it."""
    if not isinstance(text, str):
        return text
    plain = text.strip().rstrip("/").lower()
    if not re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", plain):
        raise ValueError("must be such as https://ai.example.org, without a path")
    return re.sub(r"(?<=^http:)(//.*):80$|(?<=^https:)(//.*):443$", lambda match: match[1] or match[2], plain)


class Settings(BaseModel):
    """Every setting with its default; sizes are in bytes (`64MiB` is understood), durations in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    data_dir: Path = Path("aqueduct-data")
    database_url: SecretStr | None = None
    """Where the database is; None is SQLite in the data directory."""
    valkey_url: SecretStr | None = None
    """The server that counts for limits and budgets; None counts in this process."""
    limits_without_counters: Literal["open", "closed"] = "open"
    """Whether requests that fall under limits are served or refused while that server is away."""
    budgets_without_counters: Literal["open", "closed"] = "closed"
    """The same of requests that fall under a hard budget."""
    cache_valkey_url: SecretStr | None = None
    """The server that keeps cached answers; None keeps them in this process."""
    cache_memory_bytes: Annotated[ByteSize, Field(gt=0)] = ByteSize(64 * MIB)
    """How much cached answers may take in this process."""
    config_file: Path | None = None
    """`aqueduct.yaml`; None serves the embedded model alone."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    public_url: Annotated[str | None, BeforeValidator(parse_public_url)] = None
    """Where browsers find the gateway; None is this machine alone."""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    max_body_bytes: Annotated[ByteSize, Field(gt=0)] = ByteSize(64 * MIB)
    max_in_flight_bytes: Annotated[ByteSize, Field(gt=0)] = ByteSize(1024 * MIB)
    """How many bytes of request bodies the whole process holds before it refuses more with 503."""
    max_attachment_bytes: Annotated[ByteSize, Field(ge=64 * MIB)] = ByteSize(512 * MIB)
    """How much the whole process holds of images and files that it fetches or reads, and of what it builds of them."""
    max_connections: Annotated[int, Field(gt=0)] = 10_000
    max_header_bytes: Annotated[ByteSize, Field(ge=1024)] = ByteSize(64 * 1024)
    max_header_count: Annotated[int, Field(gt=0)] = 100
    head_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    body_timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How long a client may stay silent in the middle of a body, or take nothing of its answer."""
    keepalive_interval_seconds: Annotated[float, Field(ge=0)] = 15.0
    """How often a silent stream gets a comment; 0 sends none."""
    queue_seconds: Annotated[float, Field(ge=0)] = 0.0
    """How long a request over a limit on concurrent requests waits for a place before it is refused."""
    drain_timeout_seconds: Annotated[float, Field(ge=0)] = 30.0
    """How long requests in flight may go on after the process was told to end."""

    journal_fsync: bool = False
    """Whether a usage record is on the disk, not only with the kernel, before its answer ends."""
    unaccounted: Literal["refuse", "serve"] = "refuse"
    """What happens to requests while usage cannot be recorded (the disk is full)."""
    retention_days: Annotated[float | None, Field(gt=0)] = None
    """How long raw usage records are kept; None keeps them for good. Their sums always stay."""
    hash_keys: Annotated[tuple[ServerKey, ...], BeforeValidator(parse_hash_keys)] = ()
    """Keys for hashing API tokens, before those of the data directory."""
    encryption_keys: Annotated[tuple[ServerKey, ...], BeforeValidator(parse_encryption_keys)] = ()
    """Keys for encrypting secrets in the database, before those of the data directory."""
    api_token: SecretStr | None = None
    """The token with which `aqueduct chat` calls the gateway; the gateway itself does not read it."""

    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(split_names)] = ()
    """Proxies before the gateway whose `X-Forwarded-For` tells where a request comes from."""

    webhook_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(split_names)] = ()
    """Private networks that webhooks may lead to, beside every public address."""

    fetch_urls: bool = True
    """Whether images and files that are named by their address are fetched for upstreams that cannot do that."""
    fetch_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(split_names)] = ()
    """Private networks that such addresses may lead to, beside every public one."""

    ca_file: Path | None = None
    """A bundle of certificate authorities trusted for upstreams, beside the system's."""
    http_proxy: SecretStr | None = None
    https_proxy: SecretStr | None = None
    no_proxy: Annotated[tuple[str, ...], BeforeValidator(split_names)] = ()


SECRETS = frozenset({"database_url", "valkey_url", "cache_valkey_url", "hash_keys", "encryption_keys", "api_token"})
"""The fields that have a `_FILE` twin and are never echoed."""
UNPREFIXED = frozenset({"http_proxy", "https_proxy", "no_proxy"})
"""The fields that every program reads under one name, in lower case first, as curl does."""


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    if name == "api_token":
        return f"{PREFIX}TOKEN"
    return name.upper() if name in UNPREFIXED else PREFIX + name.upper()


NAMES = {variable(name): name for name in Settings.model_fields if name not in UNPREFIXED}
FILE_NAMES = {f"{variable(name)}_FILE": name for name in SECRETS}


def read_settings(environ: Mapping[str, str] | None = None, **flags: object) -> tuple[Settings, list[str]]:
    """Return the settings and the warnings to log about names that mean nothing.

    `environ` is the process's own by default. `flags` are fields given on the command line: they win, and None leaves
    the environment's value. Raises `ConfigurationError` naming every variable that is wrong.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for name in UNPREFIXED:
        if value := environ.get(name) or environ.get(name.upper()):
            values[name] = value
    for name, value in environ.items():
        if name in NAMES and value and not is_kubernetes(name, value):
            values[NAMES[name]] = value
    for name, secret in FILE_NAMES.items():
        if path := environ.get(name):
            if secret in values:
                raise ConfigurationError(f"{name} and {name.removesuffix('_FILE')} are both set; unset one of them.")
            values[secret] = read_secret(name, path)
    values.update((name, value) for name, value in flags.items() if value is not None)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(describe(error, values)) from None
    return settings, unknown_names(environ)


def environment() -> Mapping[str, str]:
    """Return the process's environment, for the `${NAME}` of the config file."""
    return os.environ


def is_kubernetes(name: str, value: str) -> bool:
    """Whether the variable is one that Kubernetes makes for a service called `aqueduct…`."""
    if name.endswith("PORT") and KUBERNETES_VALUE.match(value):
        return True
    return name not in NAMES and KUBERNETES_NAME.fullmatch(name) is not None


def read_secret(name: str, path: str) -> str:
    """Read a secret from the file that `name` points to, without the line end most editors add."""
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigurationError(
            f"{name}: cannot read {path}: {reason}. Name a readable file that holds the secret."
        ) from None


def describe(error: ValidationError, values: Mapping[str, Any]) -> str:
    """Say of each wrong variable what is wrong with it and what it may be, without a secret's value."""
    lines = []
    for detail in error.errors(include_url=False, include_context=False):
        key = str(detail["loc"][0])
        reason = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
        shown = "" if key in SECRETS or key in UNPREFIXED else f" (it is {values[key]!r})"
        lines.append(f"{variable(key)} {reason}{shown}. Correct it, or unset it for the default.")
    return "\n".join(lines)


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """Warn of each `AQUEDUCT_*` variable that no setting reads, with the name that was likely meant."""
    # Without the prefix, which would make everything look alike.
    known = [name.removeprefix(PREFIX) for name in (*NAMES, *FILE_NAMES)]
    warnings = []
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in NAMES or name in FILE_NAMES or is_kubernetes(name, value):
            continue
        likely = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
        meant = f" Did you mean {PREFIX}{likely[0]}?" if likely else ""
        warnings.append(f"{name} is not a setting and is ignored.{meant}")
    return warnings
