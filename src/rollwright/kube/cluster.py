"""The port to one cluster: what the engine reads, applies, deletes and watches.

Before: ``connect`` found the way to the server.
After: ``engine`` plans from what is read, and acts through this port only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from rollwright.errors import ClusterError
from rollwright.kube.kinds import KindCache
from rollwright.kube.listing import list_all
from rollwright.kube.objects import is_status, read_object
from rollwright.kube.refusals import NO_SUCH_PATH, decode
from rollwright.kube.request import Request, get_request, log_request, other_request
from rollwright.kube.transport import Transport
from rollwright.kube.watch import Watch
from rollwright.kube.write_request import (
    apply_request,
    create_request,
    delete_request,
    patch_request,
    replace_request,
)
from rollwright.plugins.contracts import (
    ApplyRequest,
    DeleteRequest,
    Discovery,
    GetRequest,
    ListRequest,
    LogRequest,
    PatchRequest,
    ServedKind,
    WatchEvent,
)
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, ObjectRef

APPLY_ATTEMPTS = 3
_NO_LOG = frozenset({400, 404})


class _Version(msgspec.Struct, rename="camel"):
    git_version: str


_VERSION = msgspec.json.Decoder(_Version)
_KUBE_SYSTEM = ObjectRef("", "Namespace", "", "kube-system")
_NAMESPACES = ServedKind(
    group="", version="v1", kind="Namespace", plural="namespaces", is_namespaced=False
)


class KubeCluster:
    """One cluster over HTTP; implements ``Cluster``.

    Args:
        transport: Sends requests.
        name: Name in site.toml; the context by default.
    """

    def __init__(self, transport: Transport, *, name: str = "") -> None:
        self._transport = transport
        self._name = name or transport.access.context
        self._kinds = KindCache(transport)
        self._identity = ""
        self._version = ""

    @property
    def name(self) -> str:
        """Name in site.toml, or the kubeconfig context."""
        return self._name

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self._transport.access.server

    @property
    def default_namespace(self) -> str:
        """Namespace of the kubeconfig context."""
        return self._transport.access.namespace

    @property
    def calls(self) -> Mapping[str, int]:
        """API requests sent so far, by what they were; retries count."""
        return self._transport.calls

    @property
    def answers(self) -> Mapping[tuple[str, int], int]:
        """Answers so far, by what was asked and their status; 0 where none came. No watches."""
        return self._transport.answers

    async def identity(self) -> str:
        """Return the UID of the namespace ``kube-system``."""
        if not self._identity:
            request = get_request(_NAMESPACES, _KUBE_SYSTEM)
            body = (await self._transport.send(request)).body
            self._identity = read_object(body, _NAMESPACES, request).uid
        return self._identity

    async def server_version(self) -> str:
        """Return ``gitVersion``."""
        if not self._version:
            request = other_request("/version")
            body = (await self._transport.send(request)).body
            self._version = decode(_VERSION.decode, body, request).git_version
        return self._version

    async def discover(self, *, refresh: bool = False) -> Discovery:
        """Return what is served; cached until ``refresh`` or a CRD change."""
        return await self._kinds.discovery(refresh=refresh)

    async def establish(self, crd: Body) -> None:
        """Wait until the kinds of an Established CRD appear in discovery, and know them."""
        await self._kinds.establish(crd)

    async def list(self, request: ListRequest) -> tuple[LiveObject, ...]:
        """Return all objects of a kind."""
        served = await self._kinds.find(request.api_version, request.kind)
        try:
            return (await list_all(self._transport, served, request)).objects
        except ClusterError as error:
            if error.reason != NO_SUCH_PATH:
                raise
        served = await self._kinds.find_again(served)
        return (await list_all(self._transport, served, request)).objects

    async def get(self, request: GetRequest) -> LiveObject | None:
        """Return one object, ``None`` when it is not there.

        Raises:
            ClusterError: The server refuses, or serves no such kind.
        """
        try:
            return await self._one(
                request.api_version,
                request.ref.kind,
                lambda served: get_request(served, request.ref),
            )
        except ClusterError as error:
            if error.status == 404 and error.reason in {"NotFound", NO_SUCH_PATH}:
                return None
            raise

    async def logs(self, request: LogRequest) -> str:
        """Return a part of a container's log; empty when there is none (status 400 or 404)."""
        served = await self._kinds.find("v1", "Pod")
        try:
            answer = await self._transport.send(log_request(served, request))
        except ClusterError as error:
            if error.status in _NO_LOG:
                return ""
            raise
        return answer.body.decode(errors="replace")

    async def apply(self, request: ApplyRequest) -> LiveObject:
        """Server-side apply; return the object as it is (or would be) afterwards.

        Raises:
            ApplyConflict: Unforced, and another manager owns a field; one cause per field.
            ClusterError: Status 409 when a precondition fails; else as the server says.
        """
        for _ in range(APPLY_ATTEMPTS - 1):
            try:
                return await self._apply(request)
            except ClusterError as error:
                if not _is_race(request, error):
                    raise
        return await self._apply(request)

    async def create(self, body: Body) -> LiveObject:
        """POST one object; status 409 when it exists."""
        return await self._one(
            body["apiVersion"], body["kind"], lambda served: create_request(served, body)
        )

    async def replace(self, body: Body, *, is_dry_run: bool = False) -> LiveObject:
        """PUT one object; status 409 when its ``resourceVersion`` is not the live one."""
        return await self._one(
            body["apiVersion"],
            body["kind"],
            lambda served: replace_request(served, body, is_dry_run=is_dry_run),
        )

    async def patch(self, request: PatchRequest) -> LiveObject:
        """Send a patch."""
        return await self._one(
            request.api_version, request.ref.kind, lambda served: patch_request(served, request)
        )

    async def delete(self, request: DeleteRequest) -> LiveObject | None:
        """Ask for a deletion; return what is left while finalizers run, ``None`` when gone.

        Gone is also what was not there, and an object whose kind is no longer served.
        """
        try:
            left = await self._one(
                request.api_version,
                request.ref.kind,
                lambda served: delete_request(served, request),
            )
        except ClusterError as error:
            if error.status == 404:
                return None
            raise
        return left if left.is_being_deleted else None

    def watch(self, request: ListRequest) -> AsyncIterator[WatchEvent]:
        """List, then watch, for ever; survives 410, torn streams and restarts of the server."""
        return Watch(self._transport, self._kinds, request).events()

    async def close(self) -> None:
        """Close connections."""
        await self._kinds.close()
        await self._transport.close()

    async def _apply(self, request: ApplyRequest) -> LiveObject:
        try:
            return await self._one(
                str(request.body["apiVersion"]),
                request.ref.kind,
                lambda served: apply_request(served, request),
            )
        except ClusterError as error:
            if request.uid and _is_about_uid(error):
                raise _other_object(request.ref) from error
            raise

    async def _one(
        self, api_version: str, kind: str, build: Callable[[ServedKind], Request]
    ) -> LiveObject:
        """Send a request about one object; if its path leads nowhere, look for its kind again."""
        served = await self._kinds.find(api_version, kind)
        try:
            return await self._exchange(build(served), served)
        except ClusterError as error:
            if error.reason != NO_SUCH_PATH:
                raise
        served = await self._kinds.find_again(served)
        return await self._exchange(build(served), served)

    async def _exchange(self, request: Request, served: ServedKind) -> LiveObject:
        body = (await self._transport.send(request)).body
        return read_object(b"{}" if is_status(body) else body, served, request)


def _is_race(request: ApplyRequest, error: ClusterError) -> bool:
    """Whether somebody else wrote at the same time, though we asked for no certain version."""
    has_preconditions = request.uid or request.resource_version
    return error.reason == "Conflict" and not error.causes and not has_preconditions


def _is_about_uid(error: ClusterError) -> bool:
    return error.status == 422 and any(cause.field == "metadata.uid" for cause in error.causes)


def _other_object(ref: ObjectRef) -> ClusterError:
    # NB: the server calls a wrong UID an invalid change of an immutable field (422).
    return ClusterError(
        f"{ref}: apply refused: it is not the object that was planned for; it was created anew",
        status=409,
        reason="Conflict",
        hint="plan again",
    )
