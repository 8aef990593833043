"""Gateways on machines of their own: a data directory each, one PostgreSQL, and keys in common."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.asking import MESSAGES, fetch
from tests.admin_client import AdminClient, unique
from tests.gateway_process import GatewayProcess
from tests.postgres_server import PostgresServer, running_postgres
from tests.scripted_upstream import ScriptedUpstream, completion, json_reply

from aqueduct.storage.directory import DataDirectory

HEARD_SECONDS = 5.0
"""A change is heard of within a second; a busy machine takes some of it. Without hearing it would not be at all."""
BODY = {"model": "one", "messages": MESSAGES}


@dataclass(frozen=True)
class Machines:
    """Two gateways that share nothing but the database and the keys."""

    one: GatewayProcess
    other: GatewayProcess
    settings: dict[str, str]

    @property
    def admin(self) -> AdminClient:
        """The admin API of the first one."""
        return AdminClient(self.one.port, self.one.token)

    def ask_other(self, token: str) -> int:
        """Ask the second one for a chat completion, and return the status."""
        return fetch(self.other, "POST", "/v1/chat/completions", BODY, token=token).status


@contextmanager
def machines(folder: Path, config: str, url: str) -> Iterator[Machines]:
    settings = {
        "AQUEDUCT_DATABASE_URL": url,
        "AQUEDUCT_HASH_KEYS": f"h:{'5a' * 32}",
        "AQUEDUCT_ENCRYPTION_KEYS": f"e:{'a5' * 32}",
    }
    for name in ("one", "other"):
        (folder / name).mkdir()
    with (
        GatewayProcess(folder / "one", config, settings) as one,
        GatewayProcess(folder / "other", config, settings) as other,
    ):
        yield Machines(one, other, settings)


def soon(holds: Callable[[], bool], seconds: float = HEARD_SECONDS) -> bool:
    """Whether something holds before the time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_what_is_changed_at_one_gateway_acts_at_the_other(
    tmp_path: Path, config: str, upstream: ScriptedUpstream, postgres: PostgresServer
) -> None:
    upstream.script(json_reply(completion()))
    with machines(tmp_path, config, postgres.create_database()) as pair:
        admin = pair.admin
        organisation = admin.post("/organisations", {"name": unique("org")})["id"]
        user = admin.post("/users", {"name": unique("user"), "organisation": organisation})["id"]
        revoked, suspended, limited = (admin.post("/api_tokens", {"name": unique("x"), "user": user}) for _ in range(3))
        unconcerned = admin.post("/api_tokens", {"name": unique("x")})
        for each in (revoked, suspended, limited, unconcerned):
            assert pair.ask_other(each["value"]) == 200

        admin.post(f"/api_tokens/{revoked['id']}/revoke")
        assert soon(lambda: pair.ask_other(revoked["value"]) == 401)
        limit = {"subject_type": "api_token", "subject": limited["id"], "dimension": "requests_per_minute", "amount": 0}
        admin.post("/limits", limit)
        assert soon(lambda: pair.ask_other(limited["value"]) == 429)
        assert pair.ask_other(suspended["value"]) == 200
        assert admin.status("PATCH", f"/users/{user}", {"is_active": False}, if_match="*") == 200
        assert soon(lambda: pair.ask_other(suspended["value"]) == 401)
        assert pair.ask_other(unconcerned["value"]) == 200


def test_what_a_command_changes_under_a_third_data_directory_acts_at_both(
    tmp_path: Path, config: str, upstream: ScriptedUpstream, postgres: PostgresServer
) -> None:
    upstream.script(json_reply(completion()))
    with machines(tmp_path, config, postgres.create_database()) as pair:
        (tmp_path / "third").mkdir()
        # As a gateway leaves it that ran there once.
        third = GatewayProcess(tmp_path / "third", settings=pair.settings)
        DataDirectory(third.data_dir).create()
        name = unique("third")
        value = third.run("token", "create", "--name", name).strip()
        gateways = (pair.one, pair.other)
        for gateway in gateways:
            assert fetch(gateway, "GET", "/v1/models", token=value).status == 200
        third.run("token", "revoke", name)
        for gateway in gateways:
            assert soon(lambda each=gateway: fetch(each, "GET", "/v1/models", token=value).status == 401)  # type: ignore[misc]


def test_while_the_database_is_away_known_tokens_go_on_and_changes_are_heard_when_it_is_back(
    tmp_path: Path, config: str, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    with running_postgres() as server, machines(tmp_path, config, server.create_database()) as pair:
        revoked, kept = (pair.admin.post("/api_tokens", {"name": unique("x")}) for _ in range(2))
        for each in (revoked, kept):
            assert pair.ask_other(each["value"]) == 200
        # Once the other has heard of an end, it has heard of these beginnings, and asks for them anew.
        ended = pair.admin.post("/api_tokens", {"name": unique("x")})
        assert pair.ask_other(ended["value"]) == 200
        pair.admin.post(f"/api_tokens/{ended['id']}/revoke")
        assert soon(lambda: pair.ask_other(ended["value"]) == 401)
        for each in (revoked, kept):
            assert pair.ask_other(each["value"]) == 200
        server.stop("fast")
        try:
            assert soon(lambda: "changes_not_heard" in pair.other.log)
            for each in (revoked, kept):
                assert pair.ask_other(each["value"]) == 200
        finally:
            server.start()
        pair.admin.post(f"/api_tokens/{revoked['id']}/revoke")
        assert soon(lambda: pair.ask_other(revoked["value"]) == 401)
        assert soon(lambda: "changes_heard_again" in pair.other.log)
        assert pair.ask_other(kept["value"]) == 200
