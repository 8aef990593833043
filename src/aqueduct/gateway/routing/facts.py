"""What rules look at: a request, its caller and its headers; each thing is found out when it is first asked for."""

from collections.abc import Mapping
from typing import Any

import msgspec

from aqueduct.domain.principal import Principal
from aqueduct.domain.steering import TextSource
from aqueduct.gateway.routing.context_window import raw_bytes
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.messages import AudioPart, ContentPart, FilePart, ImagePart, TextPart
from aqueduct.wire.request import Request

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

    def texts(self, source: TextSource, key: str) -> tuple[str, ...]:
        """Return a text, in every form in which a rule may name it; none where there is none."""
        principal, request = self.principal, self.request
        found: tuple[str | None, ...] = ()
        match source:
            case TextSource.HEADER:
                value = self.headers.get(key.encode())
                found = (None if value is None else value.decode("latin-1").strip(),)
            case TextSource.METADATA:
                member = self._read_metadata().get(key)
                found = (member if isinstance(member, str) else None,)
            case TextSource.REASONING_EFFORT:
                found = (request.parameters.reasoning_effort if isinstance(request, ChatRequest) else None,)
            case TextSource.END_USER:
                found = (request.end_user,)
            case TextSource.USER:
                found = principal.user_id, principal.name if principal.user_id is not None else None
            case TextSource.SERVICE_ACCOUNT:
                account = principal.service_account_id
                found = account, principal.name if account is not None else None
            case TextSource.TEAM:
                found = principal.team_id, principal.team_name
            case TextSource.ORGANISATION:
                found = principal.organisation_id, principal.organisation_name
            case TextSource.TOKEN:
                found = principal.id, principal.token_name
        return tuple(text for text in found if text is not None)

    def _part_kinds(self) -> set[type[ContentPart]]:
        if self._kinds is None:
            request = self.request
            messages = request.parameters.messages if isinstance(request, ChatRequest) else ()
            contents = [message.content for message in messages if isinstance(message.content, list)]
            self._kinds = {type(part) for content in contents for part in content}
        return self._kinds

    def _read_metadata(self) -> dict[str, Any]:
        if self._metadata is None:
            raw = self.request.fields.get("metadata")
            members = None if raw is None else msgspec.json.decode(raw)
            self._metadata = members if isinstance(members, dict) else {}
        return self._metadata
