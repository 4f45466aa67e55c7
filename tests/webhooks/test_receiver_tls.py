"""https, with certificates that are renewed while the port is open."""

from __future__ import annotations

import asyncio
import os
import ssl

import pytest
from cryptography.hazmat.primitives import serialization

from rollwright.errors import Unreachable
from rollwright.sandbox.certificates import Authority
from rollwright.webhooks import server
from rollwright.webhooks.certificates import Certificates, keep_fresh

FILES = {"certificate": "tls.crt", "certificateKey": "tls.key"}


class Pairs:
    """The certificate of a site, and those who trust it."""

    def __init__(self, folder):
        self.folder, self.trusted = folder, ssl.create_default_context()

    def renew(self):
        """Put another certificate of another authority there; whoever asks trusts both."""
        authority = Authority("hooks")
        self.trusted.load_verify_locations(cadata=authority.pair.certificate.decode())
        return self.write(authority.server("hooks"))

    def write(self, pair, *, key=None):
        # As a mounted Secret is: one file takes the place of the other.
        for name, text in (("tls.crt", pair.certificate), ("tls.key", key or pair.key)):
            (self.folder / f"new.{name}").write_bytes(text)
            os.replace(self.folder / f"new.{name}", self.folder / name)  # noqa: PTH105  (the same)
        return pair

    def loaded(self):
        return Certificates(chain=self.folder / "tls.crt", key=self.folder / "tls.key")


@pytest.fixture
def pairs(tmp_path):
    pairs = Pairs(tmp_path)
    pairs.renew()
    return pairs


async def shown(place, trusted):
    """Return the certificate that a client is shown."""
    _reader, writer = await asyncio.open_connection(*place, ssl=trusted)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(found).encode()


async def test_a_renewed_certificate_is_used_by_the_next_connection(
    estate, pairs, a_push, monkeypatch
):
    monkeypatch.setattr(server, "keep_fresh", lambda *about: keep_fresh(*about, every=0.02))
    async with estate.open(**FILES, trusted=pairs.trusted) as sender:
        place = ("127.0.0.1", int(sender.receiver.url.rpartition(":")[2]))
        first = await sender.send(body=a_push())
        renewed = pairs.renew()
        async with asyncio.timeout(20):
            while await shown(place, pairs.trusted) != renewed.certificate:
                await asyncio.sleep(0.02)
        second = await sender.send(body=a_push(new="c" * 40))

    assert sender.receiver.url.startswith("https://127.0.0.1:")
    assert [first[0], second[0]] == [202, 202]


async def test_who_speaks_no_tls_or_an_old_one_is_not_heard(estate, pairs):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    async with estate.open(**FILES) as sender:
        place = ("127.0.0.1", int(sender.receiver.url.rpartition(":")[2]))
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"POST /hooks/x HTTP/1.1\r\nhost: a\r\n\r\n")
        plain = await reader.read()
        writer.close()
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(*place, ssl=old)

    assert b"HTTP" not in plain
    assert not estate.entries


async def test_a_handshake_that_does_not_come_is_not_waited_for(estate, pairs, monkeypatch):
    monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 0.05)
    async with estate.open(**FILES) as sender:
        place = ("127.0.0.1", int(sender.receiver.url.rpartition(":")[2]))
        reader, writer = await asyncio.open_connection(*place)
        async with asyncio.timeout(10):
            heard = await reader.read()
        writer.close()

    assert heard == b""


def test_what_does_not_fit_changes_nothing(pairs):
    certificates = pairs.loaded()
    pairs.write(Authority("a").server("a"), key=Authority("b").server("b").key)

    with pytest.raises(Unreachable, match="key values mismatch"):
        certificates.renew()
    pairs.renew()
    assert certificates.renew()
    assert not certificates.renew()


async def test_what_cannot_be_used_is_told_once(pairs):
    told: list[str] = []
    certificates = pairs.loaded()
    (pairs.folder / "tls.key").unlink()
    watching = asyncio.create_task(keep_fresh(certificates, told.append, every=0.001))
    async with asyncio.timeout(10):
        while not told:
            await asyncio.sleep(0.005)
        pairs.renew()
        while len(told) < 2:
            await asyncio.sleep(0.005)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert "the former one is used on" in told[0]
    assert told[-1] == "webhooks: the new certificate is used"


@pytest.mark.parametrize("fault", ["no file", "no key", "password", "mismatch", "a folder"])
def test_a_certificate_that_cannot_be_used_is_told_at_once(pairs, fault):
    chain, key = pairs.folder / "tls.crt", pairs.folder / "tls.key"
    if fault == "no file":
        chain.unlink()
    elif fault == "no key":
        key.write_text("nothing")
    elif fault == "password":
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        key.write_bytes(
            loaded.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"hunter2"),
            )
        )
    elif fault == "mismatch":
        pairs.write(Authority("a").server("a"), key=Authority("b").server("b").key)
    else:
        chain.unlink()
        chain.mkdir()

    with pytest.raises(Unreachable, match=r"tls\.crt.*tls\.key.*: \w") as caught:
        pairs.loaded()
    assert "certificateKey" in (caught.value.hint or "")
