"""What rules look at: a request, its caller and its headers; each thing is found out when it is first asked for."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aqueduct.domain.principal import Principal
from aqueduct.domain.steering import TextSource
from aqueduct.gateway.routing.context_window import raw_bytes
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.messages import AudioPart, ContentPart, FilePart, ImagePart, TextPart
from aqueduct.wire.request import Request

Texts = tuple[str | None, ...]

_BYTES_A_TOKEN = 4


class Facts:
    """One request, as far as rules go; `headers` are the client's, names in lower case."""

    __slots__ = ("_input_tokens", "_kinds", "_metadata", "headers", "principal", "request")

    def __init__(self, request: Request, principal: Principal, headers: Mapping[bytes, bytes]) -> None:
        self.request = request
        self.principal = principal
        self.headers = headers
        self._kinds: set[type[ContentPart]] | None = None
        self._metadata: dict[str, Any] | None = None
        self._input_tokens: int | None = None

    @property
    def has_images(self) -> bool:
        """Whether a message holds an image."""
        return ImagePart in self._part_kinds()

    @property
    def has_audio(self) -> bool:
        """Whether a message holds a recording, or a spoken answer is asked for."""
        request = self.request
        wants_audio = isinstance(request, ChatRequest) and "audio" in (request.parameters.modalities or ())
        return wants_audio or AudioPart in self._part_kinds()

    @property
    def has_files(self) -> bool:
        """Whether a message holds a file."""
        return FilePart in self._part_kinds()

    @property
    def needs_tools(self) -> bool:
        """Whether the model is given tools, or functions in the old form."""
        request = self.request
        return isinstance(request, ChatRequest) and bool(request.parameters.tools or request.parameters.functions)

    @property
    def wants_json(self) -> bool:
        """Whether the answer is to be JSON, by a schema or not."""
        return self.request.schema is not None

    @property
    def stream(self) -> bool:
        """Whether the answer is to be streamed."""
        return self.request.is_stream

    @property
    def input_tokens(self) -> int:
        """How long the input is, estimated: a token for four bytes of the messages, of their text alone with media."""
        if self._input_tokens is None:
            request = self.request
            is_text = self._part_kinds() <= {TextPart}
            size = raw_bytes(request) if is_text else len(request.input_text().encode())
            self._input_tokens = size // _BYTES_A_TOKEN
        return self._input_tokens

    def _part_kinds(self) -> set[type[ContentPart]]:
        if self._kinds is None:
            request = self.request
            messages = request.parameters.messages if isinstance(request, ChatRequest) else ()
            contents = [message.content for message in messages if isinstance(message.content, list)]
            self._kinds = {type(part) for content in contents for part in content}
        return self._kinds

    @property
    def metadata(self) -> dict[str, Any]:
        """The request's own notes, whatever it is a request for."""
        if self._metadata is None:
            raw = self.request.fields.get("metadata")
            members = None if raw is None else msgspec.json.decode(raw)
            self._metadata = members if isinstance(members, dict) else {}
        return self._metadata


def compile_texts(source: TextSource, key: str) -> Callable[[Facts], Texts]:
    """Return how a text is found: in every form in which a rule may name it, each None where there is none."""
    if source is TextSource.HEADER:
        header = key.encode()
        return lambda facts: (_decoded(facts.headers.get(header)),)
    if source is TextSource.METADATA:
        return lambda facts: (value if isinstance(value := facts.metadata.get(key), str) else None,)
    return _TEXTS[source]


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1").strip()


def _reasoning_effort(facts: Facts) -> Texts:
    request = facts.request
    return (request.parameters.reasoning_effort if isinstance(request, ChatRequest) else None,)


def _user(facts: Facts) -> Texts:
    principal = facts.principal
    return (None,) if principal.user_id is None else (principal.user_id, principal.name)


def _service_account(facts: Facts) -> Texts:
    principal = facts.principal
    return (None,) if principal.service_account_id is None else (principal.service_account_id, principal.name)


_TEXTS: dict[TextSource, Callable[[Facts], Texts]] = {
    TextSource.REASONING_EFFORT: _reasoning_effort,
    TextSource.END_USER: lambda facts: (facts.request.end_user,),
    TextSource.USER: _user,
    TextSource.SERVICE_ACCOUNT: _service_account,
    TextSource.TEAM: lambda facts: (facts.principal.team_id, facts.principal.team_name),
    TextSource.ORGANISATION: lambda facts: (facts.principal.organisation_id, facts.principal.organisation_name),
    TextSource.TOKEN: lambda facts: (facts.principal.id, facts.principal.token_name),
}
