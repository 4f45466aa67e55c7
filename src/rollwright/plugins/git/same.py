"""Whether two addresses are those of one repository, however each is written.

Before: a push names addresses, a source has one. After: a push concerns the source, or does not.

Forges are reached by https and ssh, with and without ``.git``, by names of hosts for either. In
doubt they are the same: an unneeded look costs little.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>\[[^\]]+\]|[^:/@]+):(?!//)(?P<path>.+)")
_HOSTS = {
    "ssh.dev.azure.com": "dev.azure.com",
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "www.github.com": "github.com",
}
_USUAL_PORTS = {"https": 443, "http": 80, "ssh": 22, "git": 9418}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository is: its host, what it is called there, and how it is asked."""

    host: str
    path: str
    scheme: str
    port: int | None


def are_same(one: str, other: str) -> bool:
    """Whether two addresses may be those of one repository."""
    first, second = place_of(one), place_of(other)
    if (first.host, first.path) != (second.host, second.path):
        return False
    # Servers for https and for ssh have ports of their own.
    return first.scheme != second.scheme or first.port == second.port


@lru_cache(maxsize=4096)
def place_of(url: str) -> Place:
    """Return what an address comes to."""
    scheme, host, port, path = _parts(url.strip())
    host = _HOSTS.get(host.lower(), host.lower())
    # Forges tell no case in names apart.
    path = unquote(path).casefold().strip("/").removesuffix(".git").strip("/")
    if host == "dev.azure.com":
        path = path.removeprefix("v3/").replace("/_git/", "/")
    # Bitbucket Server: /scm/KEY/name by https, /KEY/name by ssh.
    path = path.removeprefix("scm/")
    return Place(host, path, scheme, None if port == _USUAL_PORTS.get(scheme) else port)


def _parts(url: str) -> tuple[str, str, int | None, str]:
    if "://" not in url and (found := _SCP.fullmatch(url)):
        return "ssh", found["host"], None, found["path"]
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", "", None, url
    return parts.scheme.lower().removeprefix("git+"), host, port, parts.path
