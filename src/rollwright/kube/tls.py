"""TLS towards an API server: whom we trust, and who we are.

Before: ``kubeconfig`` named files or held the PEM text itself.
After: ``transport`` opens connections with the context.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rollwright.errors import InvalidDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A certificate with its key; each as a file, or as PEM text, which wins."""

    certificate_file: str = ""
    key_file: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose certificates an API server may show; without either, those of the system."""

    ca_file: str = ""
    ca: str = ""
    is_verified: bool = True


def make_context(trust: Trust, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """Return a context for connections to one API server.

    Raises:
        InvalidDocument: A certificate or key is missing or no PEM.
    """
    context = _trusting(trust)
    if certificate is not None:
        _present(context, certificate)
    return context


def _trusting(trust: Trust) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cafile=trust.ca_file if trust.ca_file and not trust.ca else None,
            cadata=trust.ca or None,
        )
    except (ssl.SSLError, OSError, ValueError) as error:
        where = trust.ca_file or "certificate-authority-data"
        raise InvalidDocument(f"{where}: no usable certificate authority: {error}") from error
    # As Go, and so kubectl: many cluster authorities lack what the strict mode of Python 3.13 asks.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not trust.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _present(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    # The ssl module reads keys from files only: ours lie in a folder of mode 0700, for a moment.
    with TemporaryDirectory(prefix="rollwright-") as folder:
        chain = _as_file(Path(folder), "tls.crt", certificate.certificate)
        key = _as_file(Path(folder), "tls.key", certificate.key)
        try:
            context.load_cert_chain(
                chain or certificate.certificate_file,
                key or certificate.key_file or None,
                # NB: without a password an encrypted key would ask on the terminal.
                password="",
            )
        except (ssl.SSLError, OSError, ValueError) as error:
            where = certificate.certificate_file or "client-certificate-data"
            raise InvalidDocument(f"{where}: no usable client certificate: {error}") from error


def _as_file(folder: Path, name: str, text: str) -> str:
    if not text:
        return ""
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii", errors="replace")
    return str(path)
