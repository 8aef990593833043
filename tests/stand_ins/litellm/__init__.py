"""As much of LiteLLM's SDK as the child process uses, for machines without the extra: its one call, over real HTTP.

It speaks OpenAI's format to `api_base` and raises what the SDK raises; the tests run against the SDK too, where it is.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pydantic

_NAMES = {400: "BadRequestError", 401: "AuthenticationError", 429: "RateLimitError", 503: "ServiceUnavailableError"}


class Answer(pydantic.BaseModel, extra="allow"):
    """A response, or a chunk of one, as the SDK gives it: a pydantic model."""


class SdkError(Exception):
    """What every exception of the SDK has."""

    def __init__(self, message: str, response: httpx2.Response) -> None:
        super().__init__(message)
        self.message = f"litellm.{type(self).__name__}: OpenAIException - {message}"
        self.status_code = response.status_code
        self.response = response


async def acompletion(
    *, model: str, api_base: str, api_key: str, num_retries: int, max_retries: int, **fields: Any
) -> Any:
    """Ask the upstream; without `stream` return its answer, with it an iterator of chunks."""
    print("what the SDK says of", api_key)  # noqa: T201 - as the real one does; nobody may read it
    assert (num_retries, max_retries) == (0, 0)
    client = httpx2.AsyncClient(timeout=fields.pop("timeout"))
    request = client.build_request(
        "POST",
        f"{api_base}/chat/completions",
        headers={"authorization": f"Bearer {api_key}"},
        json={"model": model.removeprefix("openai/"), **fields},
    )
    response = await client.send(request, stream=True)
    if response.status_code != 200:
        error = json.loads(await response.aread())["error"]
        await client.aclose()
        name = _NAMES.get(response.status_code, "APIError")
        name = "ContextWindowExceededError" if error["code"] == "context_length_exceeded" else name
        raise type(name, (SdkError,), {})(error["message"], response)
    if fields.get("stream"):
        return _chunks(client, response)
    answer = Answer.model_validate_json(await response.aread())
    await client.aclose()
    return answer


async def _chunks(client: httpx2.AsyncClient, response: httpx2.Response) -> AsyncIterator[Answer]:
    try:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                yield Answer.model_validate_json(line.removeprefix("data: "))
    finally:
        await client.aclose()
