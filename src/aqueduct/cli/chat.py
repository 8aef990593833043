"""`aqueduct chat`: a small chat on the terminal, against a running gateway."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import httpx2
import msgspec
import typer

from aqueduct.cli.session import note, settings_for
from aqueduct.config.choices import likely
from aqueduct.errors import ConfigurationError, ControlError
from aqueduct.settings import Settings
from aqueduct.storage.directory import DataDirectory

Message = dict[str, str]
TIMEOUT = httpx2.Timeout(10.0, read=600.0)
PROMPT = "> "
NOT_FOUND = 404


class ChatFailed(ControlError):
    """The gateway could not be reached, or it answered with an error."""


def run(
    model: Annotated[str, typer.Argument(help="The model to talk to.")] = "default",
    url: Annotated[str | None, typer.Option(help="Where the gateway is; else where the settings put it.")] = None,
) -> None:
    """Talk to a model; an empty line or end of input ends it. The API token comes from AQUEDUCT_TOKEN."""
    settings = settings_for()
    messages: list[Message] = []
    with httpx2.Client(
        base_url=url or f"http://{settings.host}:{settings.port}",
        headers={"authorization": f"Bearer {find_token(settings)}"},
        timeout=TIMEOUT,
        trust_env=False,
    ) as client:
        for question in read_questions():
            messages.append({"role": "user", "content": question})
            answer = ""
            for text in stream_answer(client, model, messages):
                sys.stdout.write(text)
                sys.stdout.flush()
                answer += text
            sys.stdout.write("\n")
            messages.append({"role": "assistant", "content": answer})


def find_token(settings: Settings) -> str:
    """Return the token of the settings, or the first one if it is still in the data directory."""
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    kept = DataDirectory(settings.data_dir).first_token
    if kept.exists():
        return kept.read_text().strip()
    raise ConfigurationError("No API token. Set AQUEDUCT_TOKEN to one; `aqueduct token create --name chat` makes it.")


def read_questions() -> Iterator[str]:
    """Read lines until an empty one; prompt for them on a terminal."""
    while True:
        if sys.stdin.isatty():
            sys.stderr.write(PROMPT)
            sys.stderr.flush()
        line = sys.stdin.readline()
        if not line.strip():
            return
        yield line.strip()


def stream_answer(client: httpx2.Client, model: str, messages: list[Message]) -> Iterator[str]:
    """Ask, and yield the answer's text as it arrives. Raises `ChatFailed`."""
    body = {"model": model, "messages": messages, "stream": True}
    try:
        with client.stream("POST", "/v1/chat/completions", json=body) as response:
            if response.status_code != 200:
                response.read()
                said = error_message(response.content) or f"The gateway answered {response.status_code}."
                raise ChatFailed(said + (hint_at_model(client, model) if response.status_code == NOT_FOUND else ""))
            for line in response.iter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    yield from read_event(line.removeprefix("data: "))
    except httpx2.ConnectError:
        raise ChatFailed(
            f"No gateway answers at {client.base_url}. Is `aqueduct serve` running? --url names another."
        ) from None
    except httpx2.HTTPError as error:
        raise ChatFailed(f"The gateway's answer broke off: {error}") from None
    finally:
        if not sys.stdout.isatty():
            sys.stdout.flush()


def hint_at_model(client: httpx2.Client, name: str) -> str:
    """Say which model was likely meant, or which there are for this token."""
    try:
        listed = client.get("/v1/models").json()
        names = [str(each["id"]) for each in listed["data"]]
    except (ValueError, KeyError, TypeError):
        return ""
    meant = likely(name, names)
    return f" Did you mean `{meant}`?" if meant else f" There are: {', '.join(names) or 'none'}."


def read_event(payload: str) -> Iterator[str]:
    """Yield the text of one event, or raise the error that it carries."""
    if (message := error_message(payload.encode())) is not None:
        raise ChatFailed(message)
    event: dict[str, Any] = msgspec.json.decode(payload)
    for choice in event.get("choices", []):
        if text := choice.get("delta", {}).get("content"):
            yield text
        if choice.get("finish_reason") == "length":
            note("\n(cut off at the model's limit)")


def error_message(body: bytes) -> str | None:
    """Return the message of an error in OpenAI's shape; None when it is not one."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    error = answer.get("error") if isinstance(answer, dict) else None
    return str(error.get("message")) if isinstance(error, dict) else None
