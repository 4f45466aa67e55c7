"""Names that stores make keys of.

A rollout's name is a DNS label, so it never holds a dot or a slash: a key that separates its
parts by dots has exact boundaries, and ``shop`` never reaches ``shop-2``.
"""

from __future__ import annotations

import re
from hashlib import sha256
from urllib.parse import quote

from rollwright.errors import InvalidDocument, NotFound

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SNAPSHOT = re.compile(r"sha256:([0-9a-f]{64})")
_LONGEST_FOLDER = 150


def check_rollout(name: str) -> str:
    """Return the name of a rollout.

    Raises:
        InvalidDocument: It is no DNS label, so no key may be made of it.
    """
    if _LABEL.fullmatch(name):
        return name
    raise InvalidDocument(
        f"rollout name {name!r}: not a DNS label",
        hint="use at most 63 characters of a-z, 0-9 and -, with a letter or digit at both ends",
    )


def check_key(key: bytes) -> bytes:
    """Return the installation's key.

    Raises:
        ValueError: It is empty, and would key nothing.
    """
    if not key:
        raise ValueError("the installation's key is empty")
    return bytes(key)


def snapshot_id(data: bytes) -> str:
    """Return the id that bytes are kept under."""
    return f"sha256:{sha256(data).hexdigest()}"


def snapshot_hex(rollout: str, snapshot: str) -> str:
    """Return the part of a snapshot's id that names of files and objects hold.

    Raises:
        NotFound: It is no id, so there is nothing under it.
    """
    found = _SNAPSHOT.fullmatch(snapshot)
    if found is None:
        raise no_snapshot(rollout, snapshot)
    return found[1]


def no_snapshot(rollout: str, snapshot: str) -> NotFound:
    """Return the error for a snapshot that is not there."""
    return NotFound(
        f"no snapshot {snapshot!r} of rollout {rollout!r}",
        hint="its revision has left the history; choose one that `rollwright history` shows",
    )


def folder_of(cluster: str) -> str:
    """Return the folder's name for a cluster, whose name may hold any character."""
    # Dots are quoted too: no folder is `.` or `..`, and none looks like a file of ours.
    text = quote(cluster, safe="").replace(".", "%2E")
    if len(text) <= _LONGEST_FOLDER:
        return text or "%"
    # NB: quoting never gives `%-`, so a shortened name meets no other one.
    return f"{text[:80]}%-{sha256(cluster.encode()).hexdigest()[:32]}"
