"""A cluster in memory, for faults and events that a test writes down.

It is no API server: server-side apply merges maps and takes lists whole, nothing has defaults,
no controller runs. How a cluster behaves is tested on the sandbox; this says what the engine
does when a given call fails, hangs, or reports a given status.

    cluster = FakeCluster([a_deployment])
    cluster.fail("apply", ref, ClusterError("no", status=403))
    cluster.report(ref, {"replicas": 1, "readyReplicas": 1})
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import (
    ApplyRequest,
    DeleteRequest,
    Discovery,
    EventType,
    GetRequest,
    ListRequest,
    LogRequest,
    PatchForm,
    PatchRequest,
    ServedKind,
    WatchEvent,
)
from rollwright.rollouts.live import LiveObject, live_object
from rollwright.rollouts.manifest import Body, ObjectRef, group_of, ref_of
from rollwright.testing.fake_apply import applied, check_preconditions, content, matches, merged
from rollwright.testing.fake_kinds import builtin_kinds, served_kind

CREATED_AT = "2025-01-01T00:00:00Z"
_KEPT = ("uid", "resourceVersion", "generation", "creationTimestamp")
IDENTITY = "00000000-0000-0000-0000-000000000001"
CALLS = (
    *("discovery", "list", "get", "apply", "dry-run", "create", "replace"),
    *("patch", "delete", "watch", "other"),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: the kind of call and the value that it was made with."""

    call: str
    ref: ObjectRef | None
    request: Any


class FakeCluster:
    """Implements ``Cluster`` over a dictionary.

    Attributes:
        requests: What was asked, in order; failures included.
        objects: What is there.
    """

    def __init__(
        self,
        objects: Iterable[Body] = (),
        *,
        name: str = "fake",
        kinds: Iterable[ServedKind] | None = None,
        missing: Mapping[str, str] | None = None,
    ) -> None:
        self.requests: list[Sent] = []
        self.objects: dict[ObjectRef, dict[str, Any]] = {}
        self.is_closed = False
        self._name = name
        self._kinds = list(builtin_kinds() if kinds is None else kinds)
        self._missing = dict(missing or {})
        self._calls = dict.fromkeys(CALLS, 0)
        self._clock = 0
        self._errors: dict[tuple[str, ObjectRef | str], list[BaseException]] = {}
        self._reports: dict[ObjectRef, Callable[[Body], Mapping[str, Any]]] = {}
        self._logs: dict[tuple[str, str, bool], str] = {}
        self._watchers: list[tuple[ListRequest, asyncio.Queue[WatchEvent | Exception]]] = []
        for body in objects:
            self.put(body)

    # -------------------------------------------------------------- what a test writes down

    def fail(self, call: str, where: ObjectRef | str, *errors: BaseException) -> None:
        """Let the next calls of that kind on an object, or on a kind by its name, raise these."""
        self._errors.setdefault((call, where), []).extend(errors)

    def report(
        self, ref: ObjectRef, status: Mapping[str, Any] | Callable[[Body], Mapping[str, Any]]
    ) -> None:
        """Set the status that an object gets after every apply; a function sees the object."""
        self._reports[ref] = status if callable(status) else lambda _body: dict(status)

    def log(self, pod: str, container: str, text: str, *, is_previous: bool = False) -> None:
        """Set what a container has written."""
        self._logs[pod, container, is_previous] = text

    def put(self, body: Body) -> LiveObject:
        """Put an object as it stands, as somebody else's write; watches tell it."""
        return self._store(deepcopy(dict(body)))

    def remove(self, ref: ObjectRef) -> None:
        """Take an object away, finalizers or not; watches tell it."""
        gone = self.objects.pop(ref)
        self._tell(EventType.DELETED, live_object(gone))

    def push(self, event: WatchEvent) -> None:
        """Let every watch that it fits tell an event."""
        for wanted, queue in self._watchers:
            if event.object is None or matches(wanted, event.object):
                queue.put_nowait(event)

    def end_watches(self, error: Exception) -> None:
        """Let every watch that is open end with an error, after what it was told before."""
        for _, queue in self._watchers:
            queue.put_nowait(error)

    def sent(self, call: str) -> tuple[Any, ...]:
        """Return the requests of one kind of call, in order."""
        return tuple(one.request for one in self.requests if one.call == call)

    # -------------------------------------------------------------- the port

    @property
    def name(self) -> str:
        """Name of the cluster."""
        return self._name

    @property
    def calls(self) -> Mapping[str, int]:
        """Calls so far."""
        return dict(self._calls)

    async def identity(self) -> str:
        """Return a fixed UID."""
        self._note("get", None, "identity")
        return IDENTITY

    async def server_version(self) -> str:
        """Return the version of the sandbox."""
        self._note("other", None, "version")
        return "v1.36.3"

    async def discover(self, *, refresh: bool = False) -> Discovery:
        """Return the kinds; only the first call and a refresh count."""
        if refresh or not self._calls["discovery"]:
            self._note("discovery", None, None)
        kinds = {(one.api_version, one.kind): one for one in self._kinds}
        return Discovery(kinds=kinds, missing=dict(self._missing))

    async def establish(self, crd: Body) -> None:
        """Serve the kinds of a CRD from now on."""
        self._note("discovery", ref_of(crd), crd)
        spec = crd["spec"]
        for version in spec["versions"]:
            api_version = f"{spec['group']}/{version['name']}"
            one = served_kind(
                api_version,
                spec["names"]["kind"],
                spec["names"]["plural"],
                is_namespaced=spec.get("scope") != "Cluster",
            )
            if version.get("served") and one not in self._kinds:
                self._kinds.append(one)

    async def list(self, request: ListRequest) -> tuple[LiveObject, ...]:
        """Return what the request selects."""
        self._note("list", request.kind, request)
        self._served(request.api_version, request.kind)
        live = (live_object(deepcopy(body)) for body in self.objects.values())
        return tuple(one for one in live if matches(request, one))

    async def get(self, request: GetRequest) -> LiveObject | None:
        """Return an object."""
        self._note("get", request.ref, request)
        self._served(request.api_version, request.ref.kind)
        body = self.objects.get(request.ref)
        return live_object(deepcopy(body)) if body is not None else None

    async def logs(self, request: LogRequest) -> str:
        """Return the last lines of what a test set."""
        self._note("other", request.pod, request)
        text = self._logs.get((request.pod.name, request.container, request.is_previous), "")
        lines = text.splitlines(keepends=True)[-request.tail_count :]
        return "".join(lines)[: request.limit_bytes]

    async def apply(self, request: ApplyRequest) -> LiveObject:
        """Merge maps, take lists whole, remember who set what."""
        self._note("dry-run" if request.is_dry_run else "apply", request.ref, request)
        self._served(request.body["apiVersion"], request.ref.kind)
        before = self.objects.get(request.ref)
        check_preconditions(request.ref, before, request.uid, request.resource_version)
        after = applied(request, before)
        if request.is_dry_run:
            return live_object(after)
        if request.ref in self._reports:
            after["status"] = self._reports[request.ref](after)
        return self._store(after)

    async def create(self, body: Body) -> LiveObject:
        """Put a new object."""
        ref = ref_of(body)
        if not ref.name:
            self._clock += 1
            name = f"{body['metadata']['generateName']}{self._clock:05d}"
            body = {**body, "metadata": {**body["metadata"], "name": name}}
        self._note("create", ref, body)
        self._served(body["apiVersion"], ref.kind)
        if ref_of(body) in self.objects:
            raise ClusterError(f"{ref}: already exists", status=409, reason="AlreadyExists")
        return self._store(deepcopy(dict(body)))

    async def replace(self, body: Body, *, is_dry_run: bool = False) -> LiveObject:
        """Put an object in the place of itself; what is its identity stays."""
        ref = ref_of(body)
        self._note("dry-run" if is_dry_run else "replace", ref, body)
        before = self._there(ref)
        wanted = str((body.get("metadata") or {}).get("resourceVersion") or "")
        check_preconditions(ref, before, "", wanted)
        after = deepcopy(dict(body))
        if is_dry_run:
            kept = {k: before["metadata"][k] for k in _KEPT if k in before["metadata"]}
            return live_object({**after, "metadata": {**after["metadata"], **kept}})
        return self._store(after)

    async def patch(self, request: PatchRequest) -> LiveObject:
        """Carry out a patch."""
        from jsonpatch import JsonPatch, JsonPatchException

        self._note("dry-run" if request.is_dry_run else "patch", request.ref, request)
        before = self._there(request.ref)
        wanted = str((request.content.get("metadata") or {}).get("resourceVersion") or "")
        check_preconditions(request.ref, before, "", wanted)
        try:
            if request.form is not PatchForm.JSON:
                after = merged(before, request.content)
            else:
                after = JsonPatch([dict(one) for one in request.operations]).apply(before)
            if request.subresource:
                after = {**before, request.subresource: after.get(request.subresource)}
        except JsonPatchException as error:
            message = f"{request.ref}: patch refused: {error}"
            raise ClusterError(message, status=422, reason="Invalid") from error
        return live_object(after) if request.is_dry_run else self._store(after)

    async def delete(self, request: DeleteRequest) -> LiveObject | None:
        """Delete an object, or mark it if it has finalizers."""
        self._note("delete", request.ref, request)
        body = self.objects.get(request.ref)
        if body is None:
            return None
        check_preconditions(request.ref, body, request.uid, request.resource_version)
        if request.is_dry_run:
            return None
        if body["metadata"].get("finalizers"):
            marked = deepcopy(body)
            marked["metadata"].setdefault("deletionTimestamp", CREATED_AT)
            return self._store(marked)
        self.remove(request.ref)
        return None

    async def watch(self, request: ListRequest) -> AsyncIterator[WatchEvent]:
        """Tell what is there, ``SYNCED``, and then what is put, removed or pushed."""
        self._note("watch", request.kind, request)
        self._served(request.api_version, request.kind)
        queue: asyncio.Queue[WatchEvent | Exception] = asyncio.Queue()
        there = [live_object(deepcopy(body)) for body in self.objects.values()]
        entry = (request, queue)
        self._watchers.append(entry)
        try:
            for one in there:
                if matches(request, one):
                    yield WatchEvent(type=EventType.ADDED, object=one)
            yield WatchEvent(type=EventType.SYNCED)
            while True:
                told = await queue.get()
                if isinstance(told, Exception):
                    raise told
                yield told
        finally:
            self._watchers.remove(entry)

    async def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True

    # -------------------------------------------------------------- within

    def _note(self, call: str, where: ObjectRef | str | None, request: Any) -> None:
        ref = where if isinstance(where, ObjectRef) else None
        self._calls[call] += 1
        self.requests.append(Sent(call, ref, request))
        places: tuple[ObjectRef | str, ...] = (ref, ref.kind) if ref else (str(where),)
        for place in places:
            errors = self._errors.get((call, place))
            if errors:
                raise errors.pop(0)

    def _served(self, api_version: str, kind: str) -> None:
        if any((one.api_version, one.kind) == (api_version, kind) for one in self._kinds):
            return
        reason = self._missing.get(group_of(api_version))
        message = f"{api_version} {kind}: {reason or 'the server serves no such kind'}"
        code, name = (503, "GroupUnavailable") if reason else (404, "KindNotServed")
        raise ClusterError(message, status=code, reason=name, retryable=bool(reason))

    def _there(self, ref: ObjectRef) -> dict[str, Any]:
        if ref not in self.objects:
            raise ClusterError(f"{ref}: not found", status=404, reason="NotFound")
        return self.objects[ref]

    def _store(self, body: dict[str, Any]) -> LiveObject:
        ref = ref_of(body)
        before = self.objects.get(ref)
        if before is not None and content(before) == content(body):
            return live_object(deepcopy(before))
        self._clock += 1
        metadata = body.setdefault("metadata", {})
        old = (before or {}).get("metadata") or {}
        metadata["uid"] = old.get("uid") or metadata.get("uid") or f"uid-{self._clock}"
        metadata["resourceVersion"] = str(self._clock)
        metadata["creationTimestamp"] = old.get("creationTimestamp", CREATED_AT)
        if "spec" in body:
            is_same = before is not None and before.get("spec") == body["spec"]
            metadata["generation"] = old.get("generation", 0) + (0 if is_same else 1)
        self.objects[ref] = body
        live = live_object(deepcopy(body))
        self._tell(EventType.ADDED if before is None else EventType.MODIFIED, live)
        return live

    def _tell(self, kind: EventType, live: LiveObject) -> None:
        self.push(WatchEvent(type=kind, object=live))
