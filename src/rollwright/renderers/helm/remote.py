"""Charts of a repository or a registry: what may be named, and how (RE-13).

A name is checked before helm sees it, so that it can neither be an option, nor a file, nor
something that a plugin of helm's would fetch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

OCI = "oci://"

_OCI = re.compile(
    r"oci://(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?P<port>:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONSTRAINT = re.compile(r"[0-9A-Za-z^~<>=*][0-9A-Za-z.+*~^<>=|,!\- ]*")
_EXACT = re.compile(r"v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a repository or registry wants to know; the password never shows."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A chart elsewhere.

    Attributes:
        chart: Name in the repository, or ``oci://host/path/chart``.
        repo: URL of the repository; empty for a registry.
        version: Exact version, or the versions that will do.
        digest: SHA-256 of the archive, where it is known.
        ca_file: Certificates to trust instead of the system's.
        insecure: Whether certificates do not count, and plain HTTP will do.
        plain_http: Whether a registry speaks plain HTTP; by itself one on this machine does.
    """

    chart: str
    repo: str = ""
    version: str
    digest: str = ""
    ca_file: Path | None = None
    insecure: bool = False
    plain_http: bool | None = None

    @property
    def title(self) -> str:
        """What messages call it."""
        place = f" of {self.repo}" if self.repo else ""
        return f"{self.chart} {self.version}{place}"

    @property
    def name(self) -> str:
        """The chart's own name."""
        return self.chart.rpartition("/")[2]

    @property
    def is_exact(self) -> bool:
        """Whether the version means one archive only."""
        return _EXACT.fullmatch(self.version) is not None

    @property
    def host(self) -> str:
        """Host of the repository or registry."""
        return urlsplit(self.repo or self.chart).hostname or ""

    @property
    def is_plain(self) -> bool:
        """Whether it is fetched without TLS."""
        if self.repo:
            return urlsplit(self.repo).scheme == "http"
        if self.plain_http is None:
            return is_loopback(self.host) and self.ca_file is None and not self.insecure
        return self.plain_http


def problem_of(remote: Remote) -> str:
    """Say why a chart elsewhere may not be fetched; empty if it may."""
    return (
        _place_problem(remote)
        or _version_problem(remote)
        or (
            f"{remote.host} is asked over plain HTTP; set insecure: true to allow it"
            if remote.is_plain and not remote.insecure and not is_loopback(remote.host)
            else ""
        )
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _place_problem(remote: Remote) -> str:
    if not remote.repo:
        is_good = _OCI.fullmatch(remote.chart) and _has_port(remote.chart)
        return "" if is_good else f"expected oci://host/path/chart; got {remote.chart[:120]!r}"
    if not _NAME.fullmatch(remote.chart):
        return f"expected the name of a chart in the repository; got {remote.chart[:120]!r}"
    url = urlsplit(remote.repo)
    if url.scheme not in {"http", "https"} or not url.hostname or not _has_port(remote.repo):
        return f"repo is an https:// URL; got {remote.repo[:120]!r}"
    if url.username or url.password:
        return "repo holds credentials; write username and password beside it"
    if any(one.isspace() or not one.isprintable() for one in remote.repo):
        return "repo holds spaces"
    return ""


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _version_problem(remote: Remote) -> str:
    if not remote.version:
        return "a chart elsewhere needs a version"
    if not _CONSTRAINT.fullmatch(remote.version):
        return f"expected a version such as 1.2.3 or ^1.2; got {remote.version[:80]!r}"
    if remote.digest and not _DIGEST.fullmatch(remote.digest):
        return "digest is sha256: and 64 hexadecimal digits"
    return ""
