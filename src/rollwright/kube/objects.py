"""Live objects out of answers: parsed as far as needed, and no further (K3).

Before: ``transport`` read the bytes of a LIST, of an object, of a watch event.
After: ``cluster`` and ``watch`` hand on ``LiveObject`` values.

A LIST is cut into its items; of an item only the entries of ``metadata`` are found, and each is
parsed when somebody asks for it. 5,000 objects cost 0.06 s instead of 0.35 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import orjson

from rollwright.kube.refusals import decode
from rollwright.kube.request import Request
from rollwright.plugins.contracts import ServedKind
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef


class ListMeta(msgspec.Struct, rename={"resource_version": "resourceVersion", "token": "continue"}):
    """``metadata`` of a LIST; ``token`` leads to the next page."""

    resource_version: str = ""
    token: str = ""


class Page(msgspec.Struct):
    """One page of a LIST."""

    metadata: ListMeta = msgspec.field(default_factory=ListMeta)
    items: list[msgspec.Raw] | None = None


class Event(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class _Item(msgspec.Struct):
    metadata: dict[str, msgspec.Raw] = {}  # msgspec copies it


class _ItemMetadata(msgspec.Struct):
    metadata: msgspec.Raw


class _Typed(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""


_PAGE = msgspec.json.Decoder(Page)
_EVENT = msgspec.json.Decoder(Event)
_ITEM = msgspec.json.Decoder(_Item)
_ITEM_METADATA = msgspec.json.Decoder(_ItemMetadata)
_TYPED = msgspec.json.Decoder(_Typed)
_TEXT = msgspec.json.Decoder(str)
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class Metadata(Mapping[str, Any]):
    """``metadata`` whose values are parsed when they are asked for."""

    __slots__ = ("_texts", "_values")

    def __init__(self, texts: Mapping[str, msgspec.Raw]) -> None:
        self._texts = texts
        self._values: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        values = self._values
        if key not in values:
            values[key] = _ANY.decode(self._texts[key])
        return values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, key: object) -> bool:
        return key in self._texts

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)


def read_page(body: bytes, request: Request) -> Page:
    """Cut a page of a LIST into its items."""
    return decode(_PAGE.decode, body, request)


def read_event(line: bytes, request: Request) -> Event:
    """Read one line of a watch."""
    return decode(_EVENT.decode, line, request)


def read_object(raw: bytes, served: ServedKind, request: Request) -> LiveObject:
    """Wrap one object whose kind is known."""
    texts, name, namespace = decode(_identify, raw, request)
    ref = ObjectRef(group=served.group, kind=served.kind, namespace=namespace, name=name)
    metadata = Metadata(texts)
    return LiveObject(ref=ref, api_version=served.api_version, metadata=metadata, raw=raw)


def read_metadata(raw: bytes, served: ServedKind, request: Request) -> LiveObject:
    """Wrap a PartialObjectMetadata as what it is the metadata of."""
    metadata = decode(_ITEM_METADATA.decode, raw, request).metadata
    head = orjson.dumps({"apiVersion": served.api_version, "kind": served.kind})
    return read_object(head[:-1] + b',"metadata":' + bytes(metadata) + b"}", served, request)


def is_status(raw: bytes) -> bool:
    """Whether an answer is a Status, not an object: a DELETE that left nothing."""
    try:
        typed = _TYPED.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return typed.kind == "Status" and typed.api_version == "v1"


def _identify(raw: bytes) -> tuple[dict[str, msgspec.Raw], str, str]:
    texts = _ITEM.decode(raw).metadata
    name, namespace = texts.get("name"), texts.get("namespace")
    return (
        texts,
        _TEXT.decode(name) if name is not None else "",
        _TEXT.decode(namespace) if namespace is not None else "",
    )
