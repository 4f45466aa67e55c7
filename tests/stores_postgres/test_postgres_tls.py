"""TLS in every mode: in front of the server stands what ends TLS, as its own build may not."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rollwright.errors import Unreachable


def certify(folder: Path, name: str, address: str = "127.0.0.1") -> Path:
    """Make a certificate for an address that is its own authority; its key stands beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    basic = x509.BasicConstraints(ca=True, path_length=None)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(basic, critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / f"{name}.pem"


@dataclass
class Door:
    """Where clients come in; ``answer`` is what a wish for TLS is told: S or N."""

    backend: int
    context: ssl.SSLContext
    answer: bytes = b"S"
    port: int = 0
    secured: int = 0

    async def enter(self, reader, writer):
        try:
            await reader.readexactly(8)  # the wish
            writer.write(self.answer)
            await writer.drain()
            if self.answer == b"N":
                await reader.read()
                return
            await writer.start_tls(self.context)
            self.secured += 1
            behind, before = await asyncio.open_connection("127.0.0.1", self.backend)
            await asyncio.gather(pipe(reader, before), pipe(behind, writer))
        except (ssl.SSLError, OSError, asyncio.IncompleteReadError):
            pass  # the client did not like what it saw
        finally:
            writer.close()


async def pipe(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
def authority(tmp_path):
    return certify(tmp_path, "server")


@pytest.fixture
async def door(postgres, authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority, authority.with_suffix(".key"))
    door = Door(backend=postgres.port, context=context)
    async with await asyncio.start_server(door.enter, "127.0.0.1", 0) as server:
        door.port = server.sockets[0].getsockname()[1]
        yield door


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
async def test_every_mode_serves(door, bind, authority, mode):
    store = bind(port=door.port, tls={"mode": mode, "ca": str(authority)})

    assert (await store.list(), door.secured > 0) == ((), True)
    await store.close()


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
async def test_a_server_that_others_signed_is_refused(door, bind, tmp_path, mode):
    foreign = certify(tmp_path, "foreign")
    with pytest.raises(Unreachable, match="certificate verify failed") as caught:
        await bind(port=door.port, tls={"mode": mode, "ca": str(foreign)}).list()

    assert (caught.value.retryable, "tls.ca" in str(caught.value.hint)) == (False, True)


@pytest.mark.parametrize(("mode", "is_served"), [("verify-ca", True), ("verify-full", False)])
async def test_only_the_fullest_mode_asks_for_the_name(door, bind, tmp_path, mode, is_served):
    elsewhere = certify(tmp_path, "elsewhere", "192.0.2.1")
    door.context.load_cert_chain(elsewhere, elsewhere.with_suffix(".key"))
    store = bind(port=door.port, tls={"mode": mode, "ca": str(elsewhere)})
    if is_served:
        assert await store.list() == ()
        await store.close()
        return

    with pytest.raises(Unreachable, match="IP address mismatch"):
        await store.list()


async def test_a_server_without_tls_is_told(door, bind):
    door.answer = b"N"
    with pytest.raises(Unreachable, match="SSL") as caught:
        await bind(port=door.port, tls={"mode": "require"}).list()

    assert "whether the server has TLS on" in str(caught.value.hint)
