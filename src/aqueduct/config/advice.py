"""What is allowed in a file, and yet is hardly what somebody meant: told by `aqueduct check`, refused by nobody."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from aqueduct.config.compile import Kinds
from aqueduct.config.load import Source
from aqueduct.config.schema import Document, ProviderNode

_ADDED = ("/chat/completions", "/completions", "/v1/models")
"""Ends of an address that the gateway adds by itself."""
_PLAIN_PATH_KINDS = frozenset({"openai", "vllm", "sglang", "tgi", "llamacpp", "ollama-openai", "lmstudio"})
"""Servers that people run themselves, and that have their OpenAI surface at `/v1`."""
_CREDENTIAL_HEADERS = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key"})


class Advice(NamedTuple):
    """The line, and what is odd about it."""

    line: int
    words: str


def find_advice(source: Source, kinds: Kinds) -> Iterator[Advice]:
    """Yield what is odd in a file that has been found to be valid, in the order of its lines."""
    document = source.convert(Document)
    used = {target.provider for model in document.models for target in model.targets}
    found = [
        (path, words)
        for index, node in enumerate(document.providers)
        for path, words in _of_provider(node, f"$.providers[{index}]", used, kinds)
    ]
    if not document.models:
        found.append(("$.models", "there are no models, so that nothing would be served"))
    yield from sorted(Advice(source.line(path), words) for path, words in found)


def _of_provider(node: ProviderNode, path: str, used: Collection[str], kinds: Kinds) -> Iterator[tuple[str, str]]:
    kind = kinds[node.kind]
    if node.name not in used:
        yield f"{path}.name", f"no model has a target at the provider '{node.name}'"
    if node.api_key == "":
        yield f"{path}.api_key", "the api_key is empty: requests would go without one"
    for name, value in node.credentials.items():
        if not value:
            yield f"{path}.credentials.{name}", f"the credential '{name}' is empty"
    if node.api_key is None and not node.api_keys and _wants_key(node, kind.default_base_url, kind.credentials):
        yield path, f"the provider '{node.name}' has no api_key, and is at an address on the internet that wants one"
    if node.base_url:
        yield from _of_base_url(node.kind, node.base_url, f"{path}.base_url")
    if node.health_check is not None and node.breaker is False:
        words = "with `breaker: false` nothing is taken out of use, so that the health_check changes nothing"
        yield f"{path}.health_check", words


def _wants_key(node: ProviderNode, default_base_url: str | None, credentials: Collection[str]) -> bool:
    """Whether a provider is where its kind's service is, which is known to want a key in a header."""
    if default_base_url is None or not default_base_url.startswith("https://") or credentials:
        return False
    return node.base_url in (None, default_base_url) and not _holds_credential(node.headers)


def _holds_credential(headers: Mapping[str, str]) -> bool:
    return any(name.lower() in _CREDENTIAL_HEADERS for name in headers)


def _of_base_url(kind: str, base_url: str, path: str) -> Iterator[tuple[str, str]]:
    own_path = urlsplit(base_url).path.rstrip("/")
    added = next((end for end in _ADDED if own_path.endswith(end)), None)
    if added is not None:
        end = added.removeprefix("/v1")
        yield path, f"the base_url ends in `{end}`, which is added to it: leave that out"
    elif not own_path and kind in _PLAIN_PATH_KINDS:
        yield path, "the base_url has no path: such servers mostly answer at `/v1`"
