"""The providers of the new file: one for each address and credential that deployments have in common."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from aqueduct.config.compile import Kinds
from aqueduct.config.litellm_import.addresses import read_address
from aqueduct.config.litellm_import.output import Block, Note, Variable
from aqueduct.config.litellm_import.parameters import is_secret
from aqueduct.config.litellm_import.rules import Rule
from aqueduct.config.litellm_import.tree import Node
from aqueduct.config.litellm_import.variables import Variables

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "cookie", "host", "transfer-encoding"}
)
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}")
_SERVICE_ACCOUNT = "vertex_credentials"
_PLACES: Mapping[str, Mapping[str, tuple[str, str | None]]] = {
    "azure": {"api_version": ("options.api_version", None)},
    "bedrock": {
        "aws_region_name": ("options.region", "AWS_REGION"),
        "aws_access_key_id": ("credentials.access_key_id", None),
        "aws_secret_access_key": ("credentials.secret_access_key", None),
        "aws_session_token": ("credentials.session_token", None),
    },
    "vertex": {
        "vertex_project": ("options.project", "VERTEXAI_PROJECT"),
        "vertex_location": ("options.location", None),
        _SERVICE_ACCOUNT: ("credentials.service_account", None),
    },
}
"""By our kind: LiteLLM's parameter, where it goes, and the variable that stands for it where it must be there."""


class Providers:
    """Those made so far; the same deployment parameters give the same provider."""

    def __init__(self, kinds: Kinds, variables: Variables) -> None:
        self.blocks: list[Block] = []
        self._kinds = kinds
        self._variables = variables
        self._names: dict[bytes, str] = {}

    def place(self, rule: Rule, parameters: Mapping[str, Node], line: int) -> tuple[str, set[str]]:
        """Return the name of the provider of these parameters, and which of them it took."""
        entries: dict[str, Any] = {"name": "", "kind": rule.kind}
        notes: list[Note] = []
        taken = {"api_base", "base_url", "api_key", "organization", "extra_headers", "api_version"}
        if (base_url := self._base_url(rule, parameters, line, notes)) is not None:
            entries["base_url"] = base_url
        if (api_key := self._api_key(rule, parameters, is_elsewhere=base_url is not None)) is not None:
            entries["api_key"] = api_key
        if headers := self._headers(parameters, notes):
            entries["headers"] = headers
        if rule.kind == "litellm":
            taken |= self._everything(parameters, entries, notes)
        else:
            taken |= self._places(rule.kind, parameters, entries, notes)
        return self._named(rule.kind, entries, notes), taken

    def _named(self, kind: str, entries: dict[str, Any], notes: list[Note]) -> str:
        known = msgspec.json.encode(entries, enc_hook=str)
        if known not in self._names:
            count = sum(block.entries["kind"] == kind for block in self.blocks)
            entries["name"] = self._names[known] = kind if not count else f"{kind}-{count + 1}"
            self.blocks.append(Block(entries, notes))
        return self._names[known]

    def _base_url(
        self, rule: Rule, parameters: Mapping[str, Node], line: int, notes: list[Note]
    ) -> str | Variable | None:
        node = parameters.get("api_base") or parameters.get("base_url") or Node(line, None)
        value = self._variables.value(node)
        if isinstance(value, Variable):
            if rule.suffix:
                notes.append(Note(node.line, f"the value of {value.name} must end in {rule.suffix} here"))
            return value
        if value is not None:
            found = read_address(value)
            if found is None:
                notes.append(Note(node.line, "the base URL is none that can be asked, and is left out"))
            else:
                address, is_cut = found
                if is_cut:
                    notes.append(Note(node.line, "a credential, query or fragment of the base URL is left out"))
                if not rule.takes_base_url and rule.kind != "litellm":
                    notes.append(Note(node.line, "an address of one's own may mean something else here: check it"))
                return address if address.endswith(rule.suffix) else address + rule.suffix
        if rule.default_base_url is not None:
            return rule.default_base_url
        kind = self._kinds[rule.kind]
        if kind.needs_base_url and kind.default_base_url is None:
            return self._variables.want(rule.base_variable or f"{rule.kind}_BASE_URL".upper())
        return None

    def _api_key(self, rule: Rule, parameters: Mapping[str, Node], *, is_elsewhere: bool) -> str | Variable | None:
        key = parameters.get("api_key")
        if key is not None and not key.is_empty:
            value = self._variables.secret(key, f"{rule.kind}_KEY")
            return value if not isinstance(value, str) or value.isascii() else None
        if rule.key_variable is None or (is_elsewhere and rule.kind == "openai" and rule.base_variable is None):
            return None
        return self._variables.want(rule.key_variable)

    def _headers(self, parameters: Mapping[str, Node], notes: list[Note]) -> dict[str, str | Variable]:
        headers: dict[str, str | Variable] = {}
        given = dict(parameters["extra_headers"].members) if "extra_headers" in parameters else {}
        if "organization" in parameters:
            given["OpenAI-Organization"] = parameters["organization"]
        for name, node in given.items():
            is_possible = _HEADER.fullmatch(name) and name.lower() not in _FORBIDDEN_HEADERS
            value = self._variables.secret(node, f"HEADER_{name}") if is_possible else None
            if value is None:
                notes.append(Note(node.line, f"the header '{name}' cannot be set, and is left out"))
            else:
                headers[name] = value
        return headers

    def _places(
        self, kind: str, parameters: Mapping[str, Node], entries: dict[str, Any], notes: list[Note]
    ) -> set[str]:
        """Put parameters where the kind has a place for them; one that must be there is a variable if it is not."""
        places = _PLACES.get(kind, {})
        for name, (place, fallback) in places.items():
            section, _, member = place.partition(".")
            value = self._placed(kind, name, member, section, parameters.get(name), notes)
            if value is None and fallback is not None:
                value = self._variables.want(fallback)
            if value is not None:
                entries.setdefault(section, {})[member] = value
        return set(places)

    def _placed(
        self, kind: str, name: str, member: str, section: str, node: Node | None, notes: list[Note]
    ) -> str | Variable | None:
        if node is None or node.is_empty:
            return None
        if node.text is None:
            notes.append(Note(node.line, f"'{name}' is no text, and is left out"))
            return None
        if section == "credentials":
            is_path = name == _SERVICE_ACCOUNT and re.fullmatch(r"[\w./~-]+\.json", node.text) is not None
            return self._variables.value(node) if is_path else self._variables.secret(node, name)
        value = self._variables.value(node)
        pattern = self._kinds[kind].option_patterns.get(member, "(?s:.)*")
        if isinstance(value, str) and not (_VALUE.fullmatch(value) and re.fullmatch(pattern, value)):
            notes.append(Note(node.line, f"'{name}' holds what it cannot here, and is left out"))
            return None
        return value

    def _everything(self, parameters: Mapping[str, Node], entries: dict[str, Any], notes: list[Note]) -> set[str]:
        """Hand every other parameter on to the SDK: those that are secrets as credentials."""
        taken: set[str] = set()
        for name, node in parameters.items():
            if name in _SHARED or name in self._kinds["litellm"].reserved_options or not name.isidentifier():
                continue
            text = str(node.value).lower() if isinstance(node.value, bool) else node.text
            if not text:
                continue
            taken.add(name)
            shown = Node(node.line, text)
            if is_secret(name):
                entries.setdefault("credentials", {})[name] = self._variables.secret(shown, name)
            else:
                entries.setdefault("options", {})[name] = self._variables.value(shown)
        if "api_key" not in entries and "credentials" not in entries:
            line = next(iter(parameters.values())).line
            notes.append(Note(line, "no key was given: LiteLLM's SDK looks for it in the environment"))
        return taken


_SHARED = frozenset(
    {"api_base", "api_key", "base_url", "custom_llm_provider", "extra_headers", "model", "organization"}
)
