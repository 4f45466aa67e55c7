"""The full rendered set of one revision as bytes, to go back to it or to look at it later.

Before: a run succeeded, and ``close_run`` records its revision.
After: ``history``, ``diff``, ``rollback`` and ``drift`` read the set again.

The bytes hold the values of Secrets, so they are kept only where the store protects them. A store
names them by their digest; ``salt`` stands in them, so that the name cannot be guessed back into
a value. Equal sets with equal salts give equal bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from rollwright.errors import InvalidDocument
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of

KIND = "RolloutSnapshot"
FORMAT = 1
LIMIT_BYTES = 256 * 1024 * 1024
"""A snapshot that unpacks to more is damaged or made to hurt; a larger set is not kept."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What was rolled out, whole.

    Attributes:
        wanted: The rendered objects, placed and labelled.
        document: The Rollout that declared them, with every default, as JSON; ``None`` of a
            snapshot that was kept without it.
        groups_parallel: Whether its groups run side by side; only documents of the older format
            say so.
    """

    wanted: ManifestSet
    document: Mapping[str, Any] | None = None
    groups_parallel: bool = False


class _Object(msgspec.Struct, frozen=True, kw_only=True):
    body: dict[str, Any]
    key: str
    file: str
    line: int = 0


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    format: int
    salt: str
    source: str
    objects: list[_Object]
    rollout: dict[str, Any] | None = None
    groups_parallel: bool | msgspec.UnsetType = msgspec.UNSET


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(_Document)


def encode_snapshot(
    wanted: ManifestSet,
    *,
    salt: str,
    document: Mapping[str, Any] | None = None,
    groups_parallel: bool = False,
) -> bytes:
    """Return the set as compressed bytes; the same bytes for the same values.

    Args:
        wanted: The rendered objects; their order is not kept.
        salt: Key of the installation.
        document: The Rollout that declared them, so that a replay follows the same rules.
        groups_parallel: Whether its groups run side by side.

    Raises:
        InvalidDocument: It is larger than a snapshot may be.
    """
    objects = [
        _Object(body=dict(one.body), key=one.key, file=one.origin.file, line=one.origin.line)
        for one in sorted(wanted, key=lambda one: one.ref)
    ]
    rollout = None if document is None else dict(document)
    text = _ENCODER.encode(
        _Document(
            kind=KIND, format=FORMAT, salt=salt, source=wanted.source, objects=objects,
            rollout=rollout, groups_parallel=groups_parallel or msgspec.UNSET,
        )
    )  # fmt: skip
    if len(text) > LIMIT_BYTES:
        raise InvalidDocument(f"the rendered set is too large to be kept: {len(text)} bytes")
    return zlib.compress(text, level=6)


def decode_snapshot(data: bytes, *, where: str) -> Snapshot:
    """Return what ``encode_snapshot`` packed.

    Args:
        data: The bytes.
        where: What a message calls their place.

    Raises:
        InvalidDocument: They are damaged, too large, or of a newer format.
    """
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(data, LIMIT_BYTES)
        if not unpacker.eof:
            raise InvalidDocument(f"{where}: the snapshot is cut off or too large")
        document = _DECODER.decode(text)
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidDocument(f"{where}: the snapshot is damaged: {error}") from error
    if (document.kind, document.format) != (KIND, FORMAT):
        raise InvalidDocument(
            f"{where}: {document.kind!r} of format {document.format}, expected {KIND!r} of {FORMAT}",
            hint="a newer Rollwright kept it; upgrade",
        )
    wanted = ManifestSet(tuple(map(_manifest, document.objects)), document.source)
    return Snapshot(
        wanted=wanted,
        document=document.rollout,
        groups_parallel=document.groups_parallel is True,
    )


def _manifest(one: _Object) -> Manifest:
    origin = Origin(file=one.file, line=one.line)
    return Manifest(body=one.body, ref=ref_of(one.body), key=one.key, origin=origin)
