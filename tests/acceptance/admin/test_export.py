"""Exports over HTTP: many rows in constant memory, readers that are slow or leave, tenants that see their own."""

import csv
import io
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bench.records import fill
from tests.acceptance.admin.conftest import Tenant
from tests.admin_client import PREFIX, AdminClient
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall

RECORDS = 20_000
MAX_GROWTH_KB = 40 * 1024
EXPORT = "/usage/requests/export?since=2020-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with many records in its database."""
    with GatewayProcess(tmp_path_factory.mktemp("busy"), "models: []\n") as process:
        process.stop()
        fill(process.data_dir / "aqueduct.db", records=RECORDS, users=200, now=time.time())
        process.start()
        yield process


def resident_kb(gateway: GatewayProcess) -> int:
    found = re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{gateway.pid}/status").read_text())
    assert found is not None
    return int(found[1])


def begin(gateway: GatewayProcess, path: str) -> RawCall:
    """Ask for an export and read its head."""
    fields = {"authorization": f"Bearer {gateway.token}"}
    return RawCall(gateway.port).request("GET", PREFIX + path, fields.items()).read_head()


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_many_records_come_whole_and_take_no_more_memory(busy: GatewayProcess, form: str) -> None:
    AdminClient(busy.port, busy.token).get("/usage")
    before = most = resident_kb(busy)
    call = begin(busy, f"{EXPORT}&format={form}")
    assert call.status == 200
    assert call.headers["content-disposition"] == f'attachment; filename="requests.{form}"'
    parts = []
    while part := call.read_some():
        parts.append(part)
        call.body = b""
        if len(parts) % 20 == 0:
            most = max(most, resident_kb(busy))
    call.close()
    assert call.is_whole
    text = b"".join(parts).decode()
    if form == "csv":
        ids = [row["id"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    else:
        ids = [json.loads(line)["id"] for line in text.splitlines()]
    assert (len(ids), ids) == (RECORDS, sorted(set(ids)))
    assert most - before < MAX_GROWTH_KB


def test_sums_of_an_export_are_those_of_the_report(busy: GatewayProcess) -> None:
    admin = AdminClient(busy.port, busy.token)
    span = "since=2020-01-01T00:00:00Z"
    answer = admin.ask("GET", f"/usage/export?{span}&by=day,team,model&format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    assert sum(int(row["requests"]) for row in rows) == RECORDS == admin.get(f"/usage?{span}")["total"]["requests"]
    assert {row["team_name"] for row in rows} == {f"team {int(row['team_id'][-5:])}" for row in rows}
    narrowed = admin.get(f"/usage?{span}&by=user&team_id=team_00003")
    assert {name["user"] for name in (each["names"] for each in narrowed["data"])} <= {"user 3", "user 103"}


def test_a_reader_who_stops_holds_up_nobody_and_goes_on_later(busy: GatewayProcess) -> None:
    before = resident_kb(busy)
    slow = begin(busy, EXPORT)
    # What it does not take stays where it is: in the database.
    admin = AdminClient(busy.port, busy.token)
    for _ in range(20):
        admin.get("/organisations")
    assert resident_kb(busy) - before < MAX_GROWTH_KB
    with closing(sqlite3.connect(busy.data_dir / "aqueduct.db", timeout=5)) as connection:
        is_held, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert is_held == 0
    slow.read_all()
    assert slow.is_whole
    assert slow.body.count(b"\n") == RECORDS


def test_readers_who_leave_end_their_exports(busy: GatewayProcess) -> None:
    for path in (EXPORT, f"{EXPORT}&format=csv", "/usage/export?by=hour,user,model"):
        for _ in range(4):
            begin(busy, path).reset()
    # Only so many are read at a time: those of readers who have left would stand in the way of this one.
    began = time.monotonic()
    assert begin(busy, "/usage/export?by=model").read_all().is_whole
    assert time.monotonic() - began < 20
    assert "bug" not in busy.log


def test_a_tenant_exports_what_is_its_own(admin: AdminClient, tenant: Tenant, other_tenant: Tenant) -> None:
    member = admin.acting_as(tenant.member)
    for path in ("/usage/requests/export", "/usage/export?by=user"):
        for place in (f"organisation_id={other_tenant.organisation}", f"user_id={other_tenant.member}"):
            answer = member.ask("GET", f"{path}{'&' if '?' in path else '?'}{place}&format=jsonl")
            assert (answer.status, answer.body) == (200, b"")
    assert member.status("GET", "/usage/export?by=target") == 400
    assert member.status("GET", "/usage/export?by=colour") == 400
    assert admin.acting_as(tenant.member, "users:read").status("GET", "/usage/requests/export") == 403


def test_an_export_is_for_whoever_may_read_usage(admin: AdminClient) -> None:
    assert AdminClient(admin.port, None).status("GET", "/usage/export") == 401
    assert admin.status("GET", "/usage/export?format=xlsx") == 400
