"""One cluster: what can be asked of it, and what it answers.

Before: the engine knows which objects matter. After: ``kube`` sends the requests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, ObjectRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedKind:
    """One kind that an API server serves in one version.

    ``plural`` is its name in paths. ``is_preferred`` marks the version that the server prefers.
    """

    group: str
    version: str
    kind: str
    plural: str
    is_namespaced: bool
    verbs: frozenset[str] = frozenset()
    is_preferred: bool = False

    @property
    def api_version(self) -> str:
        """``apps/v1``; ``v1`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What an API server serves.

    ``missing`` holds the groups that could not be read, with the reason: an APIService whose
    backend does not answer. Everything else stays usable.
    """

    kinds: Mapping[tuple[str, str], ServedKind]
    """By (``apiVersion``, kind)."""
    missing: Mapping[str, str] = field(default_factory=dict)

    def find(self, api_version: str, kind: str) -> ServedKind | None:
        """Return the kind in exactly that version, if it is served."""
        return self.kinds.get((api_version, kind))

    def preferred(self, group: str, kind: str) -> ServedKind | None:
        """Return the kind in the version the server prefers, if any version is served."""
        found = [one for one in self.kinds.values() if (one.group, one.kind) == (group, kind)]
        return max(found, key=lambda one: one.is_preferred, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """A LIST of one kind, paginated by the port.

    ``namespace`` empty means all. ``is_cached`` allows the server's watch cache
    (``resourceVersion=0``): good for plans, not for verification. ``metadata_only`` leaves spec
    and status out.
    """

    api_version: str
    kind: str
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    is_cached: bool = False
    metadata_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRequest:
    """A GET of one object in one version."""

    ref: ObjectRef
    api_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """A server-side apply.

    ``uid`` and ``resource_version`` are preconditions when set. ``is_dry_run`` asks the server
    for its answer and writes nothing.
    """

    ref: ObjectRef
    body: Body = field(repr=False)
    manager: str = "rollwright"
    force: bool = True
    is_dry_run: bool = False
    uid: str = ""
    resource_version: str = ""


class Propagation(StrEnum):
    """What becomes of the objects that an object owns."""

    FOREGROUND = "Foreground"
    BACKGROUND = "Background"
    ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRequest:
    """A DELETE; ``uid`` and ``resource_version`` are preconditions when set."""

    ref: ObjectRef
    api_version: str
    uid: str = ""
    resource_version: str = ""
    propagation: Propagation = Propagation.FOREGROUND
    is_dry_run: bool = False


class PatchForm(StrEnum):
    """How a server reads a patch."""

    JSON = "json"
    """Operations in order (RFC 6902)."""
    MERGE = "merge"
    """A part of the object; null takes a field away (RFC 7386)."""
    STRATEGIC = "strategic"
    """A part of the object that knows the keys of lists; for built-in kinds only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchRequest:
    """A patch of one object: ``operations`` of a JSON patch, else ``content``.

    ``is_dry_run`` asks the server for its answer and writes nothing. ``subresource``, such as
    ``status``, is what is patched instead of the object. ``is_strict`` refuses fields that the
    schema does not have; otherwise the server leaves them out.
    """

    ref: ObjectRef
    api_version: str
    operations: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    manager: str = "rollwright"
    is_dry_run: bool = False
    form: PatchForm = PatchForm.JSON
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    subresource: str = ""
    is_strict: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """The last lines of a container's log.

    ``is_previous`` asks for the container's run before the present one. The log is cut to
    ``limit_bytes`` after the last ``tail_count`` lines were taken.
    """

    pod: ObjectRef
    container: str
    is_previous: bool = False
    tail_count: int = 5
    limit_bytes: int = 64 * 1024


class EventType(StrEnum):
    """What a watch tells."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    SYNCED = "SYNCED"
    """The first LIST is complete, or was taken again after a 410; ``object`` is ``None``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """One event of a list-watch. A repeated LIST is diffed, so nothing is told twice."""

    type: EventType
    object: LiveObject | None = None


@runtime_checkable
class Cluster(Protocol):
    """One cluster: reads, applies, deletes, watches, and counts its calls.

    Every method raises ``ClusterError`` when the server refuses, ``Unreachable`` when it does
    not answer within its timeouts, ``Unauthorized`` when it does not know us. 429 and passing
    5xx answers are retried inside, as the server asks.
    """

    @property
    def name(self) -> str:
        """Name in site.toml, or the kubeconfig context."""
        ...

    @property
    def calls(self) -> Mapping[str, int]:
        """API requests sent so far, by what they were.

        Keys: ``discovery list get apply dry-run create replace patch delete watch other``;
        retries count.
        """
        ...

    async def identity(self) -> str:
        """Return the UID of the namespace ``kube-system``."""
        ...

    async def server_version(self) -> str:
        """Return ``gitVersion``, such as ``v1.36.3``."""
        ...

    async def discover(self, *, refresh: bool = False) -> Discovery:
        """Return what is served; cached until ``refresh`` or a CRD change."""
        ...

    async def establish(self, crd: Body) -> None:
        """Wait until the kinds of an Established CRD appear in discovery, and know them."""
        ...

    async def list(self, request: ListRequest) -> tuple[LiveObject, ...]:
        """Return all objects of a kind."""
        ...

    async def get(self, request: GetRequest) -> LiveObject | None:
        """Return one object, ``None`` when it is not there."""
        ...

    async def logs(self, request: LogRequest) -> str:
        """Return a part of a container's log; empty when there is none (status 400 or 404)."""
        ...

    async def apply(self, request: ApplyRequest) -> LiveObject:
        """Server-side apply; return the object as it is (or would be) afterwards.

        Raises:
            ApplyConflict: Unforced, and another manager owns a field; one cause per field.
        """
        ...

    async def create(self, body: Body) -> LiveObject:
        """POST one object; status 409 when it exists."""
        ...

    async def replace(self, body: Body, *, is_dry_run: bool = False) -> LiveObject:
        """PUT one object; status 409 when its ``resourceVersion`` is not the live one."""
        ...

    async def patch(self, request: PatchRequest) -> LiveObject:
        """Send a patch."""
        ...

    async def delete(self, request: DeleteRequest) -> LiveObject | None:
        """Ask for a deletion; return what is left while finalizers run, ``None`` when gone.

        An object that is not there counts as gone. Status 409 when a precondition fails.
        """
        ...

    def watch(self, request: ListRequest) -> AsyncIterator[WatchEvent]:
        """List, then watch, for ever; survives 410, torn streams and restarts of the server."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
