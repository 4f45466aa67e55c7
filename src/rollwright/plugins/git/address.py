"""Addresses and names that a person may write, checked before git sees any of them.

Text of a document never becomes an option of the git program, a transport that runs commands, or
a name outside of what was named.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

_NAME = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_NO_NAME = re.compile(r"\.\.|//|/\.|\.lock(/|$)|[./]$", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def check_url(url: str) -> str:
    """Return an address that may be handed to git.

    Raises:
        ValueError: It is of another scheme, holds credentials, or could be read as something else.
    """
    parts = _split(url)
    if parts.scheme not in {"https", "ssh"} and not is_loopback(url):
        raise ValueError(
            "expected https://HOST/PATH or ssh://USER@HOST/PATH"
            " (plain http:// is for this machine alone)"
        )
    if parts.password is not None or (parts.scheme != "ssh" and parts.username is not None):
        raise ValueError("no user and no password in an address; use `username` and `password`")
    if parts.username is not None and not _USER.fullmatch(parts.username):
        raise ValueError("the user in the address holds characters that no user has")
    if parts.query or parts.fragment or parts.path in {"", "/"} or parts.path.startswith("/-"):
        raise ValueError("expected the path of a repository after the host, and nothing after it")
    return url


def _split(url: str) -> SplitResult:
    if any(one.isspace() or ord(one) < 32 for one in url) or "::" in url.partition("[")[0]:
        raise ValueError("an address holds no blanks and names no helper program")
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}")
    except ValueError:
        raise ValueError("not an address") from None
    if not _HOST.fullmatch(host) or host.startswith("-"):
        raise ValueError("the address names no host; write ssh://git@HOST/PATH, not git@HOST:PATH")
    return parts


def is_loopback(url: str) -> bool:
    """Whether an address is plain HTTP to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def is_ref_name(name: str) -> bool:
    """Whether git would take a text as the name of a branch or a tag, and we do, too."""
    return bool(_NAME.fullmatch(name)) and not _NO_NAME.search(name) and name != "HEAD"


Url = Annotated[str, AfterValidator(check_url)]
"""A repository: ``https://HOST/PATH`` or ``ssh://USER@HOST/PATH``."""
Username = Annotated[str, Field(pattern=r"^[^\x00-\x1f:]+$")]
"""Who logs in over HTTPS."""
