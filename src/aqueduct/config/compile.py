"""Turns a parsed file into a snapshot, or points at the line that is wrong."""

import re
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from aqueduct.config.caching import compile_cache
from aqueduct.config.choices import likely
from aqueduct.config.load import Source
from aqueduct.config.prices import compile_prices
from aqueduct.config.routing import check_fallbacks, compile_breaker, compile_limits, compile_routing
from aqueduct.config.schema import Document, ModelNode, ProviderNode, TargetNode, TimeoutsNode
from aqueduct.config.sign_in import compile_sign_in
from aqueduct.config.steering import check_steering, compile_steering
from aqueduct.domain.http import PLAIN_TIMEOUTS, STREAM_TIMEOUTS, Origin, Timeouts
from aqueduct.domain.model import EMBEDDED_MODEL, Model, Provider, StructuredOutput, Target
from aqueduct.domain.price import FREE, Price
from aqueduct.domain.snapshot import WILDCARD, Snapshot

LOCAL_ALIAS = "default"
_FORBIDDEN_HEADERS = frozenset(
    {"host", "content-length", "connection", "transfer-encoding", "cookie", "accept-encoding"}
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[^\s./@]+(\.[^\s./@]+)*\.?")
"""Names without empty parts; underscores are met in containers' names."""
_OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}")
"""An option may become part of a host, a path or a query."""


class KindRules(Protocol):
    """What compiling needs to know of a kind of provider."""

    @property
    def default_base_url(self) -> str | None:
        """Where it is when the config does not say."""

    @property
    def needs_base_url(self) -> bool:
        """Whether it must be known where it is."""

    @property
    def serves_files(self) -> bool:
        """Whether its models are files here, and it has no address."""

    @property
    def open_options(self) -> bool:
        """Whether it takes options and credentials of any name."""

    @property
    def reserved_options(self) -> frozenset[str]:
        """The names that it does not take even so."""

    @property
    def options(self) -> Mapping[str, str | None]:
        """What a provider may say of itself; None where it must."""

    @property
    def option_patterns(self) -> Mapping[str, str]:
        """What an option looks like, where not anything will do."""

    @property
    def credentials(self) -> frozenset[str]:
        """The names of the secrets it takes beside the key."""

    @property
    def structured_output(self) -> StructuredOutput:
        """How its targets are held to a JSON schema where the config does not say."""

    @property
    def reads_images(self) -> bool:
        """Whether its targets may be sent images where the config does not say."""

    @property
    def reads_files(self) -> bool:
        """The same of files."""

    @property
    def files_host(self) -> str | None:
        """The only host (or those below it) where that holds; None: wherever it is."""

    @property
    def file_types(self) -> frozenset[str]:
        """The types of files that can be sent to its targets; none where its format has no files."""


Kinds = Mapping[str, KindRules]


def compile_default() -> Snapshot:
    """Return what is served without a config file: the embedded model."""
    provider = Provider(name="embedded", kind="local")
    target = Target(provider=provider, model=EMBEDDED_MODEL, prices=(FREE,), reads_images=False)
    model = Model(
        name=EMBEDDED_MODEL,
        aliases=(LOCAL_ALIAS,),
        targets=(target,),
        description=_EMBEDDED,
        created_at=int(time.time()),
    )
    return _snapshot([model])


_EMBEDDED = "SmolLM2-135M-Instruct, a small demonstration model"


def compile_source(source: Source, kinds: Kinds) -> Snapshot:
    """Validate the whole file and compile it; raise `ConfigurationError` with the first line at fault."""
    return _Compiler(source, kinds).compile()


class _Compiler:
    """Compiles one file."""

    def __init__(self, source: Source, kinds: Kinds) -> None:
        self._source = source
        self._kinds = kinds
        self._created_at = int(time.time())
        self._keyed: dict[str, list[Provider]] = {}

    def compile(self) -> Snapshot:
        document = self._source.convert(Document)
        providers: dict[str, Provider] = {}
        nodes: dict[str, ProviderNode] = {}
        for index, node in enumerate(document.providers):
            path = f"$.providers[{index}]"
            if node.name in providers:
                raise self._source.error(f"{path}.name", f"the provider name '{node.name}' is taken")
            providers[node.name] = self._provider(node, path)
            nodes[node.name] = node
        models: list[Model] = []
        taken: set[str] = set()
        for index, model in enumerate(document.models):
            path = f"$.models[{index}]"
            self._claim_names(model, path, taken)
            targets = [
                msgspec.structs.replace(
                    self._target(target, model, providers, nodes, f"{path}.targets[{number}]"),
                    prices=self._prices(target, model, providers[target.provider], path, number),
                )
                for number, target in enumerate(model.targets)
            ]
            targets = [each for target in targets for each in self._with_keys(target, nodes[target.provider.name])]
            targets.sort(key=lambda target: target.priority)
            models.append(
                Model(
                    name=model.name,
                    targets=tuple(targets),
                    aliases=tuple(model.aliases),
                    description=model.description,
                    created_at=self._created_at,
                    routing=compile_steering(model, targets, compile_routing(model), self._source, path),
                    cache=compile_cache(model.cache, targets),
                    is_hidden=model.hidden,
                )
            )
        snapshot = _snapshot(models)
        check_fallbacks(models, snapshot, self._source)
        check_steering(models, snapshot, self._source)
        sign_in = compile_sign_in(document.sign_in, self._source)
        return msgspec.structs.replace(snapshot, sign_in=sign_in)

    def _with_keys(self, target: Target, node: ProviderNode) -> list[Target]:
        """Return the target once for each key of its provider: every credential has a health of its own."""
        if not node.api_keys:
            return [target]
        if node.name not in self._keyed:
            self._keyed[node.name] = [
                msgspec.structs.replace(target.provider, api_key=key, key_number=number)
                for number, key in enumerate(node.api_keys, 1)
            ]
        weight = target.weight / len(node.api_keys)
        return [msgspec.structs.replace(target, provider=each, weight=weight) for each in self._keyed[node.name]]

    def _prices(
        self, target: TargetNode, model: ModelNode, provider: Provider, path: str, number: int
    ) -> tuple[Price, ...]:
        """Return the target's own prices or else its model's; what runs here costs nothing unless it is said."""
        of_model = compile_prices(model.price, self._source, f"{path}.price")
        own = compile_prices(target.price, self._source, f"{path}.targets[{number}].price")
        is_local = self._kinds[provider.kind].serves_files
        return own or of_model or ((FREE,) if is_local else ())

    def _claim_names(self, model: ModelNode, path: str, taken: set[str]) -> None:
        for name, where in [
            (model.name, f"{path}.name"),
            *((alias, f"{path}.aliases[{index}]") for index, alias in enumerate(model.aliases)),
        ]:
            if name in taken:
                raise self._source.error(where, f"the model name '{name}' is taken")
            if name == WILDCARD and model.hidden:
                raise self._source.error(f"{path}.hidden", "what answers for every other name cannot be hidden")
            if "*" in name and (name != WILDCARD or where != f"{path}.name"):
                raise self._source.error(where, "only `*` alone stands for every other name")
            taken.add(name)

    def _provider(self, node: ProviderNode, path: str) -> Provider:
        kind = self._kinds.get(node.kind)
        if kind is None:
            raise self._source.error(f"{path}.kind", _unknown("kind", node.kind, self._kinds))
        origin, base_path = None, ""
        options = self._options(node, kind, path)
        base_url = node.base_url or (kind.default_base_url and kind.default_base_url.format_map(options))
        if kind.needs_base_url and not base_url:
            raise self._source.error(path, f"a provider of kind '{node.kind}' needs a base_url")
        if base_url and not kind.serves_files:
            origin, base_path = self._read_base_url(base_url, f"{path}.base_url")
        self._check_headers(node, path)
        return Provider(
            name=node.name,
            kind=node.kind,
            origin=origin,
            base_path=base_path,
            api_key=node.api_key or None,
            headers=tuple(node.headers.items()),
            governed_fields=frozenset(node.allow_fields),
            drop_fields=frozenset(node.drop_fields),
            options=options,
            credentials=node.credentials,
            breaker=compile_breaker(node.breaker),
            health_check_seconds=None if node.health_check is None else node.health_check.interval,
        )

    def _options(self, node: ProviderNode, kind: KindRules, path: str) -> dict[str, str]:
        """Return the provider's options over those of its kind; names and characters checked."""
        for member, given, known in (
            ("options", node.options, kind.options.keys()),
            ("credentials", node.credentials, kind.credentials),
        ):
            for name in given:
                if name in kind.reserved_options:
                    raise self._source.error(f"{path}.{member}.{name}", f"'{name}' cannot be set here")
                if name not in known and not kind.open_options:
                    raise self._source.error(f"{path}.{member}.{name}", _unknown(member[:-1], name, known))
        options = {**kind.options, **node.options}
        for name, value in options.items():
            if value is None:
                raise self._source.error(path, f"a provider of kind '{node.kind}' needs the option '{name}'")
            if not (kind.open_options or _OPTION.fullmatch(value)):
                raise self._source.error(f"{path}.options.{name}", f"the option '{name}' holds characters it cannot")
            pattern = kind.option_patterns.get(name)
            if pattern is not None and not re.fullmatch(pattern, value):
                raise self._source.error(f"{path}.options.{name}", f"the option '{name}' cannot be '{value}'")
        return {name: value for name, value in options.items() if value is not None}

    def _check_headers(self, node: ProviderNode, path: str) -> None:
        if node.api_key and node.api_keys:
            raise self._source.error(f"{path}.api_keys", "a provider has either an api_key or api_keys")
        keys = {f"{path}.api_keys[{index}]": key for index, key in enumerate(node.api_keys)}
        for where, key in {f"{path}.api_key": node.api_key or "", **keys}.items():
            if not (key.isascii() and key.isprintable()):
                raise self._source.error(where, "the key holds characters that no header can carry")
            if where in keys and (not key or node.api_keys.count(key) > 1):
                raise self._source.error(where, "the key is empty, or listed twice")
        for name, value in node.headers.items():
            where = f"{path}.headers.{name}"
            if name.lower() in _FORBIDDEN_HEADERS or not _HEADER_NAME.fullmatch(name):
                raise self._source.error(where, f"the header '{name}' cannot be set")
            if not (value.isascii() and value.isprintable()):
                raise self._source.error(
                    where, f"the value of the header '{name}' holds characters that no header can carry"
                )

    def _read_base_url(self, base_url: str, path: str) -> tuple[Origin, str]:
        try:
            url = urlsplit(base_url)
            port = url.port
        except ValueError as error:
            raise self._source.error(path, f"the base_url is not a URL: {error}") from error
        if url.scheme not in _PORTS or not url.hostname:
            raise self._source.error(path, "the base_url must begin with http:// or https:// and a host")
        if url.username or url.password or url.query or url.fragment:
            raise self._source.error(path, "the base_url may hold no credential, query or fragment")
        if ":" not in url.hostname and not _HOST.fullmatch(url.hostname):
            raise self._source.error(path, f"the base_url's host '{url.hostname}' is not one")
        base_path = url.path.rstrip("/")
        if not all(32 < ord(character) < 127 for character in base_path + url.hostname):
            raise self._source.error(path, "the base_url holds characters that no request line can carry")
        return Origin(url.scheme, url.hostname, port or _PORTS[url.scheme]), base_path

    def _target(
        self,
        node: TargetNode,
        model: ModelNode,
        providers: Mapping[str, Provider],
        nodes: Mapping[str, ProviderNode],
        path: str,
    ) -> Target:
        provider = providers.get(node.provider)
        if provider is None:
            raise self._source.error(f"{path}.provider", _unknown("provider", node.provider, providers))
        is_local = self._kinds[provider.kind].serves_files
        if node.model_path is not None and not is_local:
            raise self._source.error(f"{path}.model_path", "only a provider of kind 'local' has a model_path")
        if node.model_path is not None and not Path(node.model_path).is_file():
            raise self._source.error(f"{path}.model_path", f"there is no file {node.model_path}")
        if node.model is None and not is_local:
            raise self._source.error(path, "a target needs a model")
        window = node.context_window or model.context_window
        return Target(
            provider=provider,
            model=node.model or model.name,
            priority=node.priority,
            structured_output=node.structured_output
            or nodes[node.provider].structured_output
            or self._kinds[provider.kind].structured_output,
            plain_timeouts=_timeouts(PLAIN_TIMEOUTS, model.timeouts, node.timeouts),
            stream_timeouts=_of_streams(_timeouts(STREAM_TIMEOUTS, model.timeouts, node.timeouts)),
            model_path=node.model_path,
            weight=node.weight,
            limits=compile_limits(node.limits),
            context_window=window if isinstance(window, int) else None,
            is_window_given=window is not None,
            reads_images=self._kinds[provider.kind].reads_images if node.reads_images is None else node.reads_images,
            reads_files=self._reads_files(node, provider, path),
            label=node.label,
        )

    def _reads_files(self, node: TargetNode, provider: Provider, path: str) -> bool:
        """Return whether files go to a target as they are, or as their text."""
        kind = self._kinds[provider.kind]
        if node.reads_files and not kind.file_types:
            message = f"no file can be sent to a provider of kind '{provider.kind}': it gets the text of documents"
            raise self._source.error(f"{path}.reads_files", message)
        if node.reads_files is not None:
            return node.reads_files
        host = "" if provider.origin is None else provider.origin.host
        is_there = kind.files_host is None or f".{host}".endswith(f".{kind.files_host}")
        return kind.reads_files and is_there


def _timeouts(default: Timeouts, *nodes: TimeoutsNode) -> Timeouts:
    """Lay the nodes over the default, the last one on top."""
    changes = {
        f"{name}_seconds": seconds
        for node in nodes
        for name in ("connect", "first_byte", "first_content", "idle", "total")
        if (seconds := getattr(node, name)) is not None
    }
    return msgspec.structs.replace(default, **changes) if changes else default


def _of_streams(timeouts: Timeouts) -> Timeouts:
    """Return timeouts under which not even the first byte may come after the first content should have."""
    first = timeouts.first_content_seconds
    if first is None or first >= timeouts.first_byte_seconds:
        return timeouts
    return msgspec.structs.replace(timeouts, first_byte_seconds=first)


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    near = likely(name, known)
    hint = f"did you mean '{near}'?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
    return f"the {what} '{name}' is not known ({hint})"


def _snapshot(models: list[Model]) -> Snapshot:
    named = {name: model for model in models if model.name != WILDCARD for name in (model.name, *model.aliases)}
    return Snapshot(
        models=tuple(models),
        by_name={name: model for name, model in named.items() if not model.is_hidden},
        wildcard=next((model for model in models if model.name == WILDCARD), None),
        hidden={name: model for name, model in named.items() if model.is_hidden},
    )
