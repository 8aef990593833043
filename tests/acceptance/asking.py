"""Requests to a gateway, in as few words as the tests can do with."""

import json
from typing import Any

from tests.gateway_process import GatewayProcess
from tests.raw_http import Fields, RawCall

MESSAGES = [{"role": "user", "content": "Hello"}]


def fetch(
    gateway: GatewayProcess,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Fields = (),
    token: str | None = "",
) -> RawCall:
    """Send a request and read the whole answer; `token`: None sends none, empty the gateway's first one."""
    with begin(gateway, method, path, body, headers=headers, token=token) as call:
        return call.read_all()


def begin(
    gateway: GatewayProcess,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Fields = (),
    token: str | None = "",
) -> RawCall:
    """Send a request and leave the answer to be read; a `body` that is not bytes is sent as JSON."""
    fields = [*headers]
    if token is not None:
        fields.append(("authorization", f"Bearer {token or gateway.token}"))
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    if data is not None and not any(name.lower() == "content-type" for name, _ in fields):
        fields.append(("content-type", "application/json"))
    call = RawCall(gateway.port)
    try:
        return call.request(method, path, fields, data)
    except OSError:
        call.close()
        raise


def chat(gateway: GatewayProcess, model: str = "one", **fields: Any) -> RawCall:
    """Ask for a chat completion and read the whole answer."""
    with begin_chat(gateway, model, **fields) as call:
        return call.read_all()


def begin_chat(gateway: GatewayProcess, model: str = "one", **fields: Any) -> RawCall:
    """Ask for a chat completion and leave the answer to be read."""
    return begin(gateway, "POST", "/chat/completions", {"model": model, "messages": MESSAGES, **fields})
