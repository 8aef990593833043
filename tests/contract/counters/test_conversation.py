"""What can happen to the bytes between a gateway and its Valkey server."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.contract.counters.conftest import PATIENCE_SECONDS
from tests.contract.counters.reserving import granted, refused
from tests.contract.counters.test_absence import reserve_when_back
from tests.contract.counters.valkey_process import ValkeyProcess

from aqueduct.counters.claims import Budget, Place, Window
from aqueduct.counters.valkey import ValkeyCounters
from aqueduct.errors import CountersUnavailable

CLAIMS = (Window("requests", 2), Place("place", 9), Budget("money", 100, 10))


class Relay:
    """Hands bytes to a server and back; says something else instead when told to."""

    def __init__(self, server: Path, *, is_byte_by_byte: bool = False) -> None:
        self.says_instead: bytes | None = None
        self._server = server
        self._is_byte_by_byte = is_byte_by_byte

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._server)
        with contextlib.closing(writer), contextlib.closing(to_server), contextlib.suppress(OSError):
            async with asyncio.TaskGroup() as group:
                back = group.create_task(self._bring_back(from_server, writer))
                while block := await reader.read(65536):
                    to_server.write(block)
                back.cancel()

    async def _bring_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(65536):
            if self.says_instead is not None:
                block, self.says_instead = self.says_instead, None
            for start in range(0, len(block), 1 if self._is_byte_by_byte else len(block)):
                writer.write(block[start : start + 1] if self._is_byte_by_byte else block)
                await asyncio.sleep(0)
        writer.close()


@contextlib.asynccontextmanager
async def relayed(relay: Relay, path: Path) -> AsyncIterator[ValkeyCounters]:
    async with (
        await asyncio.start_unix_server(relay, path),
        ValkeyCounters(f"unix://{path}", timeout_seconds=PATIENCE_SECONDS) as counters,
    ):
        yield counters


async def test_answers_that_come_byte_by_byte_are_understood(server: ValkeyProcess, tmp_path: Path) -> None:
    async with relayed(Relay(server.path, is_byte_by_byte=True), tmp_path / "relay") as counters:
        await counters.seed("money", 50)
        counters.settle(await granted(counters, *CLAIMS), (1, 0, 3))
        last = await granted(counters, *CLAIMS)
        assert [each.remaining for each in last.standings] == [0, 8, 37]
        await refused(counters, *CLAIMS)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x00\xff nonsense\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b":1\r\n:1\r\n:1\r\n",
        b"",
    ],
    ids=["no protocol", "demoted", "too many answers", "hung up"],
)
async def test_a_connection_that_cannot_be_trusted_is_given_up_and_made_again(
    server: ValkeyProcess, tmp_path: Path, nonsense: bytes
) -> None:
    relay = Relay(server.path)
    async with relayed(relay, tmp_path / "relay") as counters:
        await granted(counters, Window("anything", 1))
        relay.says_instead = nonsense
        with contextlib.suppress(CountersUnavailable):
            # The first of too many answers is taken for this one's.
            await counters.seed("money", 0)
            await asyncio.sleep(0)
        assert not counters._link.is_up
        await reserve_when_back(counters, Window("others", 1))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for this machine, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


async def test_a_server_is_reached_by_tls_with_a_password_and_a_database(
    server: ValkeyProcess, certificate: tuple[Path, Path]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    assert server.command("CONFIG", "SET", "requirepass", "sesame") == "+OK"
    async with await asyncio.start_server(Relay(server.path), "localhost", 0, ssl=context) as listener:
        port = listener.sockets[0].getsockname()[1]
        url = f"valkeys://:sesame@localhost:{port}/3?ssl_ca_certs={certificate[0]}"
        async with ValkeyCounters(url, timeout_seconds=PATIENCE_SECONDS) as counters:
            await counters.seed("money", 0)
            counters.settle(await granted(counters, *CLAIMS), (1, 0, 3))
            assert [each.remaining for each in (await granted(counters, *CLAIMS)).standings] == [0, 8, 87]
