"""What it takes to reach an etcd from this machine: endpoints, certificates, user.

Before: ``options`` name files and secrets.
After: ``client`` opens channels with them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from rollwright.errors import NotFound
from rollwright.etcd.options import EtcdOptions, SecretRef
from rollwright.plugins.blocks import secret_of_block


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM texts; empty where there is none."""

    authorities: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    server_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach one etcd. Equal ones share a connection."""

    endpoints: tuple[str, ...]
    tls: Certificates | None = None
    user: str = ""
    password: str = field(default="", repr=False)


def read_access(options: EtcdOptions) -> Access:
    """Read what the options name.

    Raises:
        NotFound: A file or variable is not there, or empty.
    """
    password = _read(options.password, "password").decode() if options.password else ""
    return Access(
        endpoints=tuple(one.partition("://")[2] or one for one in options.endpoints),
        tls=_certificates(options) if options.is_secured else None,
        user=options.user,
        password=password.rstrip("\r\n"),
    )


def _certificates(options: EtcdOptions) -> Certificates:
    if (tls := options.tls) is None:
        return Certificates()
    ca, cert, key = (
        _read(found, f"tls.{name}") if (found := getattr(tls, name)) else b""
        for name in ("ca", "cert", "key")
    )
    return Certificates(authorities=ca, certificate=cert, key=key, server_name=tls.server_name)


def _read(source: SecretRef, what: str) -> bytes:
    if source.block is not None:
        return secret_of_block(source.block, f"etcd {what}").encode()
    if source.env is not None:
        place, found = f"variable {source.env}", os.environ.get(source.env, "").encode()
    else:
        place, found = f"file {source.file!r}", _read_file(Path(source.file or ""), what)
    if not found.strip():
        raise NotFound(f"etcd {what}: {place} is not there, or empty", hint=_hint(source))
    return found


def _read_file(path: Path, what: str) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise NotFound(f"etcd {what}: cannot read {str(path)!r}: {error.strerror}") from error


def _hint(source: SecretRef) -> str:
    return "set the variable" if source.env is not None else "correct the path, or make the file"
