"""Certificates: from text or files, and no key left behind."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rollwright.errors import InvalidDocument
from rollwright.kube.tls import ClientCertificate, Trust, make_context


def a_pair(password: bytes | None = None) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), text.decode()


def test_text_and_files_can_be_mixed_and_no_key_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    certificate, key = a_pair()
    (tmp_path / "me.crt").write_text(certificate)

    make_context(
        Trust(ca=certificate),
        ClientCertificate(certificate_file=str(tmp_path / "me.crt"), key=key),
    )

    assert list((tmp_path / "temporary").iterdir()) == []


def test_servers_are_verified() -> None:
    context = make_context(Trust(ca=a_pair()[0]), None)

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_only_the_given_authority_is_trusted() -> None:
    context = make_context(Trust(ca=a_pair()[0]), None)

    assert len(context.get_ca_certs(binary_form=True)) <= 1


def test_verification_can_be_left_out() -> None:
    context = make_context(Trust(is_verified=False), None)

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_an_authority_that_is_no_pem_is_told() -> None:
    with pytest.raises(InvalidDocument, match="certificate-authority-data"):
        make_context(Trust(ca="nonsense"), None)


def test_an_authority_file_that_is_not_there_is_told() -> None:
    with pytest.raises(InvalidDocument, match=r"/none/ca\.crt"):
        make_context(Trust(ca_file="/none/ca.crt"), None)


def test_a_key_that_is_another_is_told() -> None:
    pair = ClientCertificate(certificate=a_pair()[0], key=a_pair()[1])

    with pytest.raises(InvalidDocument, match="no usable client certificate"):
        make_context(Trust(), pair)


def test_an_encrypted_key_is_told_and_asks_nobody() -> None:
    certificate, key = a_pair(b"secret")

    with pytest.raises(InvalidDocument, match="no usable client certificate"):
        make_context(Trust(), ClientCertificate(certificate=certificate, key=key))


def test_a_key_is_never_shown() -> None:
    assert "hunter2" not in repr(ClientCertificate(certificate="x", key="hunter2"))
