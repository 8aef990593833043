"""The images and files among a request's messages: found, read as they came, replaced. No I/O."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.messages import FilePart, ImagePart

Place = tuple[int, int]
"""The number of a message, and that of a part of its content."""

LEFT_OUT = "[An image was here. This model cannot see images.]"

_WEB = re.compile(rb'"https?:(?:\\?/){2}', re.IGNORECASE)
_DATA = re.compile(rb'"data:([\w.+/-]{0,127})([^,"\\]{0,200}),', re.IGNORECASE)
_HEAD_BYTES = 512
_PDF_START = b"JVBERi"
"""What `%PDF-` is in base64."""
_NAME_CHARACTERS = 200
_END_OF_DOCUMENT = re.compile(r"</(?=document)", re.IGNORECASE)
_UNENDING = r"<\\/"

_messages = msgspec.json.Decoder(list[msgspec.Raw])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Part:
    """One image or file: where it is, its members as they came, and those of its `image_url` or `file`."""

    __slots__ = ("inner", "is_image", "members", "place")

    def __init__(self, place: Place, *, is_image: bool, members: dict[str, msgspec.Raw]) -> None:
        self.place = place
        self.is_image = is_image
        self.members = members
        self.inner: dict[str, msgspec.Raw] = _members.decode(members["image_url" if is_image else "file"])

    @property
    def path(self) -> str:
        """The part as errors name it."""
        return f"messages[{self.place[0]}].content[{self.place[1]}]"

    def text(self, name: str) -> str | None:
        """Return an inner member that is a string, None where it is missing or something else."""
        raw = self.inner.get(name)
        if raw is None or memoryview(raw)[0] != ord('"'):
            return None
        return msgspec.json.decode(raw, type=str)

    def web_url(self, name: str) -> str | None:
        """Return an inner member that is an address on the web; data is not decoded to find out."""
        raw = self.inner.get(name)
        return None if raw is None or _WEB.match(bytes(memoryview(raw)[:12])) is None else self.text(name)

    @property
    def file_data(self) -> msgspec.Raw | None:
        """The file's data as it came, None where there is none; a head in which something is escaped is made plain."""
        raw = self.inner.get("file_data")
        if raw is None or memoryview(raw)[0] != ord('"'):
            return None
        if b"\\" in bytes(memoryview(raw)[:_HEAD_BYTES]):  # some encoders write `\/` for every slash
            return msgspec.Raw(msgspec.json.encode(msgspec.json.decode(raw, type=str)))
        return raw

    def with_image(self, url: msgspec.Raw) -> dict[str, Any]:
        """Return the part with another address of the image."""
        return {**self.members, "image_url": {**self.inner, "url": url}}

    def with_file(self, name: str, data: msgspec.Raw) -> dict[str, Any]:
        """Return the part with the file's data in it, whatever stood for it before."""
        kept = {key: value for key, value in self.inner.items() if key not in ("file_id", "file_url", "file_data")}
        return {**self.members, "file": {**kept, "filename": name or "file", "file_data": data}}

    def as_text(self, text: str) -> dict[str, Any]:
        """Return a part of text in the place of this one; its cache breakpoint stays."""
        kept = {key: value for key, value in self.members.items() if key not in ("type", "image_url", "file")}
        return {**kept, "type": "text", "text": text}


def find_parts(request: ChatRequest) -> list[Part]:
    """Return the images and files of all messages, in order."""
    places = [
        (number, at, isinstance(part, ImagePart))
        for number, message in enumerate(request.parameters.messages)
        if isinstance(message.content, list)
        for at, part in enumerate(message.content)
        if isinstance(part, ImagePart | FilePart)
    ]
    messages = _messages.decode(request.fields["messages"])
    contents: dict[int, list[msgspec.Raw]] = {}
    parts: list[Part] = []
    for number, at, is_image in places:
        if number not in contents:
            contents[number] = _messages.decode(_members.decode(messages[number])["content"])
        parts.append(Part((number, at), is_image=is_image, members=_members.decode(contents[number][at])))
    return parts


def replace_parts(raw: msgspec.Raw, replacements: Mapping[Place, Any]) -> list[Any]:
    """Return the messages with other parts in some places; all else is byte for byte as it was."""
    messages: list[Any] = list(_messages.decode(raw))
    for number in {place[0] for place in replacements}:
        members: dict[str, Any] = dict(_members.decode(messages[number]))
        content: list[Any] = list(_messages.decode(members["content"]))
        for (message, at), part in replacements.items():
            if message == number:
                content[at] = part
        messages[number] = {**members, "content": content}
    return messages


def declared_type(raw: msgspec.Raw) -> str:
    """Return the media type in a `data:` URL, empty where there is none."""
    match = _DATA.match(bytes(memoryview(raw)[:_HEAD_BYTES]))
    return match[1].decode().lower() if match else ""


def is_base64(raw: msgspec.Raw) -> bool:
    """Whether data is bare, or in a `data:` URL that says so."""
    match = _DATA.match(bytes(memoryview(raw)[:_HEAD_BYTES]))
    return match is None or b";base64" in match[2].lower()


def is_pdf(raw: msgspec.Raw) -> bool:
    """Whether data begins as a PDF does; one with something before it is told by whoever reads all of it."""
    head = bytes(memoryview(raw)[:_HEAD_BYTES])
    match = _DATA.match(head)
    return head[match.end() if match else 1 :].startswith(_PDF_START)


def with_type(raw: msgspec.Raw, media_type: str) -> msgspec.Raw:
    """Return data as a `data:` URL of this type."""
    match = _DATA.match(bytes(memoryview(raw)[:_HEAD_BYTES]))
    start = match.end() if match else 1
    return msgspec.Raw(b"".join((b'"data:', media_type.encode(), b";base64,", memoryview(raw)[start:])))


def document(name: str, text: str) -> str:
    """Return a document's text as a model is shown it: marked, with its name; it cannot end itself."""
    shown = "".join(character for character in name if character.isprintable() and character not in '<>"&')
    shown = shown[:_NAME_CHARACTERS].strip()
    title = f' name="{shown}"' if shown else ""
    return f"<document{title}>\n{_END_OF_DOCUMENT.sub(_UNENDING, text)}\n</document>"
