"""How states and snapshots look as values in etcd. Pure: values in, bytes out.

A *head* is one line with the token of the last writer, one of what it says of itself, and then
the content, compressed; or, when that is too large for one value, nothing more: the content is in
*chunks* under names that only this head knows. The token comes first and in a fixed width, so
that etcd itself can compare it (ST-05).
"""

from __future__ import annotations

import zlib

import msgspec

from rollwright.errors import InvalidDocument
from rollwright.stores.names import snapshot_id

CHUNK_BYTES = 512 * 1024
"""What one value holds: a request may have 1.5 MiB, and no member should stop for long for one."""

_KIND = "rollwright.dev/content"
_LEVEL = 3
_DIGITS = 20


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What a head says of itself.

    Attributes:
        digest: Of the content before compression.
        save: Made up anew by each save; it tells our own write from somebody else's.
        chunk_count: How many chunks hold the content; zero when the head does.
    """

    digest: str
    save: str = ""
    chunk_count: int = 0
    kind: str = _KIND


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A head as it was read."""

    meta: Meta
    token: int
    content: bytes


def pack(data: bytes) -> tuple[bytes, ...]:
    """Compress and cut into what values hold; at least one piece."""
    packed = zlib.compress(data, _LEVEL)
    return tuple(packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES))


def meta_of(data: bytes, pieces: tuple[bytes, ...], save: str) -> Meta:
    """Return what a head will say."""
    return Meta(
        digest=snapshot_id(data), save=save, chunk_count=len(pieces) if len(pieces) > 1 else 0
    )


def write_head(meta: Meta, pieces: tuple[bytes, ...], token: int = 0) -> bytes:
    """Return the value of a head."""
    content = b"" if meta.chunk_count else pieces[0]
    return b"\n".join((_digits(token), msgspec.json.encode(meta), content))


def above(token: int) -> bytes:
    """Return what the value of a head comes before as long as no later token wrote it."""
    return _digits(token + 1)


def read_head(value: bytes, where: str) -> Head:
    """Return what a head says.

    Raises:
        InvalidDocument: It is none of ours, or damaged.
    """
    token, _, rest = value.partition(b"\n")
    meta, _, content = rest.partition(b"\n")
    try:
        head = Head(
            meta=msgspec.json.decode(meta, type=Meta), token=int(token), content=bytes(content)
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise InvalidDocument(
            f"{where}: not of Rollwright, or damaged: {error}",
            hint="something else uses this key: choose another `prefix`; or restore a backup",
        ) from error
    if head.meta.kind != _KIND:
        raise InvalidDocument(
            f"{where}: not of Rollwright: kind {head.meta.kind!r}, expected {_KIND!r}",
            hint="something else uses this key: choose another `prefix` for the store",
        )
    return head


def _digits(token: int) -> bytes:
    return f"{token:0{_DIGITS}d}".encode()
