"""What an API server serves, in two requests; nothing is looked up by kind (AP-74, AP-75).

Before: ``transport`` can talk to the server.
After: ``kinds`` keeps the result and finds kinds in it.

The aggregated form answers ``/api`` and ``/apis`` with everything. A server that does not know
it is asked per group and version. A group whose backend does not answer is named, not an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import msgspec
import orjson

from rollwright.errors import RolloutError, Unauthorized
from rollwright.kube.refusals import decode
from rollwright.kube.request import JSON, discovery_request, other_request
from rollwright.kube.transport import Response, Transport
from rollwright.plugins.contracts import Discovery, ServedKind

GroupVersion: TypeAlias = tuple[str, str]

ROOTS = ("/api", "/apis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one document of the server tells: kinds, versions it has no news of, versions to ask.

    ``kinds`` stand in the server's order: the preferred version of a group first.
    """

    kinds: tuple[ServedKind, ...] = ()
    stale: tuple[GroupVersion, ...] = ()
    unread: tuple[GroupVersion, ...] = ()


@dataclass(frozen=True, slots=True)
class Remembered:
    """A part with the ETag under which the server would say «unchanged»."""

    etag: str
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A complete read, with what is needed for the next."""

    discovery: Discovery
    parts: Mapping[str, Remembered] = field(default_factory=dict)


class _ResponseKind(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Resource(msgspec.Struct, rename="camel"):
    resource: str = ""
    response_kind: _ResponseKind | None = None
    scope: str = ""
    verbs: list[str] | None = None


class _Version(msgspec.Struct):
    version: str
    resources: list[_Resource] | None = None
    freshness: str = "Current"


class _Name(msgspec.Struct):
    name: str = ""


class _Group(msgspec.Struct):
    metadata: _Name = msgspec.field(default_factory=_Name)
    versions: list[_Version] | None = None


class _PlainVersion(msgspec.Struct):
    version: str


class _PlainGroup(msgspec.Struct):
    name: str
    versions: list[_PlainVersion] | None = None


class _Root(msgspec.Struct):
    """Any of APIGroupDiscoveryList, APIVersions and APIGroupList."""

    kind: str = ""
    items: list[_Group] | None = None
    versions: list[str] | None = None
    groups: list[_PlainGroup] | None = None


class _PlainResource(msgspec.Struct):
    name: str
    kind: str = ""
    namespaced: bool = False
    verbs: list[str] | None = None
    group: str = ""
    version: str = ""


class _PlainList(msgspec.Struct):
    resources: list[_PlainResource] | None = None


_ROOT = msgspec.json.Decoder(_Root)
_PLAIN = msgspec.json.Decoder(_PlainList)


def parse_root(body: bytes) -> Part:
    """Read an answer of ``/api`` or ``/apis``, in either form.

    Raises:
        msgspec.DecodeError: It is neither.
    """
    root = _ROOT.decode(body)
    if root.kind == "APIGroupDiscoveryList":
        return _aggregated(root.items or ())
    plain = [("", version) for version in root.versions or ()]
    plain += [(g.name, one.version) for g in root.groups or () for one in g.versions or ()]
    return Part(unread=tuple(plain))


def parse_version(group: str, version: str, body: bytes) -> tuple[ServedKind, ...]:
    """Read an APIResourceList: the kinds of one group and version, none of them preferred yet.

    Raises:
        msgspec.DecodeError: It is something else.
    """
    resources = _PLAIN.decode(body).resources or ()
    return tuple(
        ServedKind(
            group=group,
            version=version,
            kind=one.kind,
            plural=one.name,
            is_namespaced=one.namespaced,
            verbs=frozenset(one.verbs or ()),
        )
        for one in resources
        if "/" not in one.name and one.kind
    )


def merge(kinds: Iterable[ServedKind], missing: Mapping[str, str]) -> Discovery:
    """Make a discovery of kinds in the server's order; the first version of a kind is preferred."""
    found: dict[tuple[str, str], ServedKind] = {}
    preferred: set[tuple[str, str]] = set()
    for one in kinds:
        if (one.api_version, one.kind) in found:
            continue
        is_preferred = (one.group, one.kind) not in preferred
        preferred.add((one.group, one.kind))
        found[one.api_version, one.kind] = _preferring(one, is_preferred=is_preferred)
    return Discovery(kinds=found, missing=dict(missing))


async def read_discovery(transport: Transport, before: Snapshot | None = None) -> Snapshot:
    """Read everything that is served; two requests, or «unchanged» twice.

    Raises:
        ClusterError: The server refuses to tell.
        Unreachable: It does not answer.
    """
    known = before.parts if before else {}
    core, others = await asyncio.gather(
        *(_read_root(transport, path, known.get(path)) for path in ROOTS)
    )
    parts = {"/api": core, "/apis": others}
    unread = core.part.unread + others.part.unread
    stale = core.part.stale + others.part.stale
    is_unchanged = core is known.get("/api") and others is known.get("/apis")
    if before is not None and is_unchanged and not unread and not stale:
        return before
    plain, reasons = await asyncio.gather(
        _read_versions(transport, unread), _reasons(transport, stale)
    )
    kinds, silent = plain
    found = merge((*core.part.kinds, *others.part.kinds, *kinds), {**reasons, **silent})
    return Snapshot(discovery=found, parts=parts)


async def _read_root(transport: Transport, path: str, known: Remembered | None) -> Remembered:
    request = discovery_request(path, etag=known.etag if known else "")
    response: Response = await transport.send(request)
    if response.status == 304 and known is not None:
        return known
    return Remembered(response.etag, decode(parse_root, response.body, request))


def _aggregated(groups: Iterable[_Group]) -> Part:
    kinds: list[ServedKind] = []
    stale: list[GroupVersion] = []
    for group in groups:
        for version in group.versions or ():
            # What a silent backend once served is of no use: every request would fail.
            if version.freshness == "Stale":
                stale.append((group.metadata.name, version.version))
                continue
            kinds += _kinds_of(group.metadata.name, version)
    return Part(kinds=tuple(kinds), stale=tuple(stale))


def _kinds_of(group: str, version: _Version) -> Iterable[ServedKind]:
    for one in version.resources or ():
        if one.response_kind is None or not one.response_kind.kind:
            continue
        yield ServedKind(
            group=group,
            version=version.version,
            kind=one.response_kind.kind,
            plural=one.resource,
            is_namespaced=one.scope == "Namespaced",
            verbs=frozenset(one.verbs or ()),
        )


def _preferring(one: ServedKind, *, is_preferred: bool) -> ServedKind:
    return ServedKind(
        group=one.group,
        version=one.version,
        kind=one.kind,
        plural=one.plural,
        is_namespaced=one.is_namespaced,
        verbs=one.verbs,
        is_preferred=is_preferred,
    )


async def read_version(transport: Transport, group: str, version: str) -> tuple[ServedKind, ...]:
    """Read the kinds of one group and version."""
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    request = discovery_request(path, accept=JSON)
    return await transport.read(request, partial(parse_version, group, version))


async def _read_versions(
    transport: Transport, versions: Iterable[GroupVersion]
) -> tuple[list[ServedKind], dict[str, str]]:
    async def read(group: str, version: str) -> tuple[ServedKind, ...] | RolloutError:
        try:
            return await read_version(transport, group, version)
        except Unauthorized:
            raise
        except RolloutError as error:
            return error

    asked = tuple(versions)
    answers = await asyncio.gather(*(read(*one) for one in asked))
    kinds: list[ServedKind] = []
    missing: dict[str, str] = {}
    for (group, _), answer in zip(asked, answers, strict=True):
        if isinstance(answer, RolloutError):
            missing[group] = answer.message
        else:
            kinds += answer
    return kinds, missing


async def _reasons(transport: Transport, stale: Iterable[GroupVersion]) -> dict[str, str]:
    """Ask the APIServices of silent groups why; one request each."""
    asked = dict(reversed(tuple(stale)))
    told = await asyncio.gather(*(_reason(transport, g, v) for g, v in asked.items()))
    return dict(sorted(zip(asked, told, strict=True)))


async def _reason(transport: Transport, group: str, version: str) -> str:
    name = f"{version}.{group}"
    silent = f"the backend of APIService {name} does not answer"
    path = f"/apis/apiregistration.k8s.io/v1/apiservices/{name}"
    try:
        value = await transport.read(other_request(path), orjson.loads)
    except RolloutError:
        return silent
    conditions = (value.get("status") or {}).get("conditions") or ()
    for one in conditions:
        if one.get("type") == "Available" and one.get("status") != "True":
            return f"APIService {name}: {one.get('message') or one.get('reason')}"
    return silent
