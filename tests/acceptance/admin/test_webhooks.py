"""Webhooks over HTTP: a secret shown once, a message tried, and what came of it."""

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from tests.acceptance.admin.conftest import Tenant
from tests.admin_client import AdminClient, unique
from tests.gateway_process import GatewayProcess
from typing_extensions import override


class Receiver(HTTPServer):
    """Takes messages, and answers with a status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ReceiverHandler)
        self.status = 204
        self.messages: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class ReceiverHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        fields = {name.lower(): value for name, value in self.headers.items()}
        self.server.messages.append((fields, self.rfile.read(int(fields["content-length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    @override
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def last_delivery(admin: AdminClient, webhook: str) -> dict[str, Any]:
    """Return the newest delivery, once it has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        newest: dict[str, Any] = admin.get(f"/webhooks/{webhook}/deliveries?limit=1")["data"][0]
        if newest["state"] != "pending":
            return newest
        time.sleep(0.1)
    raise AssertionError("not delivered in time")


def is_signed(message: tuple[dict[str, str], bytes], secret: str) -> bool:
    fields, body = message
    signed = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}" in fields["webhook-signature"].split(" ")


def test_a_webhook_lives_and_its_secret_is_shown_once(
    admin: AdminClient, tenant: Tenant, administered: GatewayProcess
) -> None:
    body = {"name": unique("hook"), "url": "https://hook.invalid/a?b=c", "organisation": tenant.organisation}
    first = admin.ask("POST", "/webhooks", body, idempotency_key=unique("key"))
    made = first.json
    assert first.status == 201
    assert first.headers["cache-control"] == "no-store"
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    written = b"".join(each.read_bytes() for each in administered.data_dir.glob("aqueduct.db*"))
    assert secret.encode() not in written
    path = f"/webhooks/{made['id']}"
    assert admin.get(path) == made
    assert admin.everything(f"/webhooks?organisation_id={tenant.organisation}&is_active=true") == [made]
    assert admin.everything(f"/webhooks?organisation_id={tenant.organisation}&is_active=false") == []
    changed = admin.ask("PATCH", path, {"events": ["budget.threshold_reached"], "is_active": False}, if_match='"1"')
    assert (changed.json["events"], changed.headers["etag"]) == (["budget.threshold_reached"], '"2"')
    assert admin.status("PATCH", path, {"name": "x"}, if_match='"1"') == 412
    assert "switched off" in admin.ask("POST", f"{path}/test").error["message"]
    assert admin.get(f"{path}/deliveries") == {"data": [], "next_cursor": None}
    assert admin.status("DELETE", path) == 200
    assert admin.status("GET", path) == 404


def test_an_administrators_webhook_is_told_of_everything_and_others_of_their_own(
    admin: AdminClient, tenant: Tenant
) -> None:
    body = {"name": unique("hook"), "url": "https://hook.invalid/"}
    assert admin.post("/webhooks", body)["organisation_id"] is None
    assert admin.acting_as(tenant.boss).post("/webhooks", body)["organisation_id"] == tenant.organisation


def test_a_message_is_tried_signed_with_both_secrets_and_not_tried_again(
    admin: AdminClient, receiver: Receiver
) -> None:
    name = unique("hook")
    old = admin.post("/webhooks", {"name": name, "url": receiver.url})["secret"]
    new = admin.post(f"/webhooks/{name}/rotate")["secret"]
    queued = admin.ask("POST", f"/webhooks/{name}/test")
    assert (queued.status, queued.json["state"], queued.json["event"]) == (202, "pending", "webhook.test")
    ended = last_delivery(admin, name)
    assert (ended["event_id"], ended["state"], ended["status"]) == (queued.json["event_id"], "delivered", 204)
    assert old != new
    assert all(is_signed(receiver.messages[0], secret) for secret in (old, new))
    receiver.status = 500
    assert admin.status("POST", f"/webhooks/{name}/test") == 202
    ended = last_delivery(admin, name)
    assert (ended["state"], ended["error"], ended["attempts"]) == ("dead", "status_500", 1)
    assert len(admin.everything(f"/webhooks/{name}/deliveries?limit=1")) == 2
    assert len(admin.everything(f"/webhooks/{name}/deliveries?state=dead")) == 1
