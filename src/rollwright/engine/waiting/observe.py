"""Waiting until an object is Current, or gone: by watch, never by polling.

Before: ``objects`` wrote it.
After: ``execute`` has a verdict, and starts what depends on the object.

One list-watch per kind and run tells of every change. A verdict that can change by time alone
says when (``recheck_at``), and only then is it computed again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from rollwright.engine.progress import Listener, Seen
from rollwright.engine.reading.container_logs import ContainerLogs
from rollwright.engine.reading.evidence import Evidence
from rollwright.engine.reading.surroundings import Surroundings
from rollwright.engine.waiting.waiter import Look, Subject, Waited, Waiter, waited
from rollwright.engine.waiting.watches import SharedWatch, Watches, is_forbidden
from rollwright.plugins.contracts import Cluster, ListRequest
from rollwright.rollouts.health import (
    Goal,
    HealthContext,
    HealthOptions,
    Skip,
    Soak,
    WaitOutcome,
    WaitVerdict,
)
from rollwright.rollouts.health.table import has_behavior
from rollwright.rollouts.hiding import hidden_texts
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, ObjectRef
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.status import ObjectStatus

EVIDENCE_AFTER_SECONDS = 0.4
"""How long something is waited for before pods and events around it are watched."""

EVIDENCE_PUT_OFF_COUNT = 10
"""How often that is put off while objects are still being written: most will be Current soon."""

_NOBODY = ObjectRef("", "", "", "")


class Observer:
    """Everything that one run waits for, in one cluster."""

    def __init__(
        self,
        cluster: Cluster,
        spec: RolloutSpec,
        *,
        tell: Listener,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        options: HealthOptions | None = None,
    ) -> None:
        """Begin with nothing watched; ``options`` instead of what the document says."""
        self._rollout = spec.name
        self._tell = tell
        self._now = now
        self._options = options or options_of(spec)
        self._watches = Watches(cluster)
        self._evidence = Evidence(self._watches, self._wake_around)
        self._surroundings = Surroundings(cluster, self._evidence)
        self._logs = ContainerLogs(cluster)
        self._waiters: dict[ObjectRef, Waiter] = {}
        self._refs: dict[str, ObjectRef] = {}
        self._write_count = 0
        self._spaces: dict[tuple[str, str], set[str]] = defaultdict(set)

    def expect(self, subjects: Iterable[tuple[str, ObjectRef]]) -> None:
        """Note versions and identities to come, so that one watch per kind serves all of them."""
        for api_version, ref in subjects:
            self._spaces[api_version, ref.kind].add(ref.namespace)

    def hide(self, bodies: Iterable[Body]) -> None:
        """Let no verdict repeat a value of the Secrets among the objects: not in log lines either."""
        self._surroundings.secret_values |= hidden_texts(bodies)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Know that an object is being written while inside."""
        self._write_count += 1
        try:
            yield
        finally:
            self._write_count -= 1

    @property
    def is_idle(self) -> bool:
        """Whether no object is being written."""
        return self._write_count == 0

    @property
    def is_waiting(self) -> bool:
        """Whether an object is waited for."""
        return bool(self._waiters)

    async def close(self) -> None:
        """End every watch."""
        await self._watches.close()
        await self._surroundings.close()

    async def wait(self, subject: Subject, stop: asyncio.Event) -> Waited:
        """Wait until the object is Current, has failed, or its time is over."""
        waiter = self._waiter(subject, Goal.READY)
        if subject.live is not None:
            # Most objects are Current as soon as they are written: no watch is needed for them.
            status, verdict = await self._judge(waiter)
            if verdict.outcome is WaitOutcome.PASSED:
                return waited(status, verdict)
        return await self._watch_until_over(waiter, stop)

    async def wait_until_gone(self, subject: Subject, stop: asyncio.Event) -> Waited:
        """Wait until the object with that UID does not exist any more."""
        return await self._watch_until_over(self._waiter(subject, Goal.GONE), stop)

    def _waiter(self, subject: Subject, goal: Goal) -> Waiter:
        # What cannot leave Current need not be watched for doing so.
        must_soak = goal is Goal.READY and has_behavior(*subject.ref.group_kind)
        length = self._options.soak
        return Waiter(
            subject=subject,
            goal=goal,
            live=subject.live,
            moved_at=subject.applied_at,
            soak=Soak(length=length) if length and must_soak else None,
        )

    async def _watch_until_over(self, waiter: Waiter, stop: asyncio.Event) -> Waited:
        ref = waiter.subject.ref
        self._waiters[ref] = waiter
        put_off_count = 0 if waiter.soak else EVIDENCE_PUT_OFF_COUNT
        delay = 0 if waiter.soak else EVIDENCE_AFTER_SECONDS
        asyncio.get_running_loop().call_later(delay, self._look_around, waiter, put_off_count)
        try:
            return await self._until_over(waiter, stop)
        finally:
            self._waiters.pop(ref, None)

    async def _until_over(self, waiter: Waiter, stop: asyncio.Event) -> Waited:
        while True:
            waiter.changed.clear()
            watch = self._watch(waiter.subject)
            if watch.error is not None:
                message = f"cannot be watched: {watch.error.message}"
                hint = watch.error.hint or ""
                return Waited(outcome=Outcome.FAILED, message=message, hint=hint)
            _take_newest(waiter, watch)
            if waiter.live is not None:
                self._refs[waiter.live.uid] = waiter.subject.ref
            status, verdict = await self._judge(waiter)
            status = await self._quoting(waiter, status, verdict)
            if verdict.is_over:
                return replace(waited(status, verdict), live=waiter.live)
            if stop.is_set():
                message = f"cancelled while {status.status}: {status.message or status.reason}"
                return Waited(outcome=Outcome.CANCELLED, message=message, status=status)
            if verdict.unblocks:
                waiter.subject.unblock()
            self._say(waiter, status, is_known=waiter.live is not None or watch.is_synced)
            await self._next_change(waiter, verdict.recheck_at, stop)

    async def _judge(self, waiter: Waiter) -> tuple[ObjectStatus, WaitVerdict]:
        live, subject = waiter.live, waiter.subject
        if live is None:
            context = HealthContext(options=self._options, applied_at=subject.applied_at)
        else:
            context = await self._surroundings.context(
                live, self._options, manifest=subject.manifest, applied_at=subject.applied_at
            )
        is_informed = self._evidence.is_synced(subject.ref.namespace)
        now = self._now()
        status, verdict = waiter.judge(context, now, is_informed=is_informed)
        if subject.look is None:
            return status, verdict
        look = Look(live=live, status=status, verdict=verdict, pods=waiter.all_pods, now=now)
        return status, await subject.look(look)

    async def _quoting(
        self, waiter: Waiter, status: ObjectStatus, verdict: WaitVerdict
    ) -> ObjectStatus:
        """Add the last words of the containers that failed to a verdict that is not good."""
        if verdict.outcome is WaitOutcome.PASSED or not waiter.pods:
            return status
        lines = await self._logs.quote(waiter.pods, self._surroundings.secret_values)
        return replace(status, evidence=(*status.evidence, *lines))

    async def _next_change(
        self, waiter: Waiter, recheck_at: datetime | None, stop: asyncio.Event
    ) -> None:
        """Return at the next change of the object or around it, at its time, or on a stop."""
        timeout = None
        if recheck_at is not None:
            # NB: a moment later, so that the window really is over when it is looked at.
            timeout = max((recheck_at - self._now()).total_seconds(), 0) + 0.01
        tasks = [asyncio.create_task(one.wait()) for one in (waiter.changed, stop)]
        try:
            await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _say(self, waiter: Waiter, status: ObjectStatus, *, is_known: bool) -> None:
        if is_known and str(status) != waiter.told:
            waiter.told = str(status)
            self._tell(Seen(status))

    # ------------------------------------------------------------------ watches

    def _watch(self, subject: Subject) -> SharedWatch:
        """Return the watch that tells of an object: one for its kind, if our label is on it."""
        version, ref = subject.api_version, subject.ref
        if not self._is_labelled(subject):
            alone = ListRequest(
                api_version=version,
                kind=ref.kind,
                namespace=ref.namespace,
                field_selector=f"metadata.name={ref.name}",
            )
            return self._watches.of(alone, self._wake_object)
        names = self._spaces[version, ref.kind] | {ref.namespace}
        namespace = ref.namespace if len(names) == 1 else ""
        watch = self._watches.of(self._ours(version, ref.kind, namespace), self._wake_object)
        if ref.namespace and not namespace and is_forbidden(watch.error):
            # NB: a person may have rights in the namespaces only.
            own = self._ours(version, ref.kind, ref.namespace)
            return self._watches.of(own, self._wake_object)
        return watch

    def _ours(self, api_version: str, kind: str, namespace: str) -> ListRequest:
        return ListRequest(
            api_version=api_version,
            kind=kind,
            namespace=namespace,
            label_selector=f"{ROLLOUT_LABEL}={self._rollout}",
        )

    def _is_labelled(self, subject: Subject) -> bool:
        if subject.live is not None:
            return subject.live.labels.get(ROLLOUT_LABEL) == self._rollout
        if not subject.is_ours:
            return False
        if subject.manifest is not None:
            labels = subject.manifest.body["metadata"].get("labels") or {}
            return bool(labels.get(ROLLOUT_LABEL) == self._rollout)
        return True

    def _look_around(self, waiter: Waiter, put_off_count: int) -> None:
        """Watch what surrounds the objects: in their namespace, or everywhere at once."""
        namespace = waiter.subject.ref.namespace
        if self._waiters.get(waiter.subject.ref) is not waiter:
            return
        if self._write_count and put_off_count:
            asyncio.get_running_loop().call_later(
                EVIDENCE_AFTER_SECONDS, self._look_around, waiter, put_off_count - 1
            )
            return
        spaces = {ref.namespace for ref in self._waiters if ref.namespace}
        if namespace:
            self._evidence.watch(namespace, is_alone=len(spaces) <= 1)

    def _wake_object(self, before: LiveObject | None, after: LiveObject | None) -> None:
        one = after or before
        if one is None:
            self._wake_all()
        elif waiter := self._waiters.get(one.ref):
            waiter.changed.set()

    def _wake_around(self, uid: str) -> None:
        if not uid:
            self._wake_all()
            return
        if uid.startswith("claims:"):
            self._wake_claims()
        elif waiter := self._waiters.get(self._refs.get(uid, _NOBODY)):
            waiter.changed.set()

    def _wake_claims(self) -> None:
        for ref, waiter in self._waiters.items():
            if ref.kind == "PersistentVolumeClaim":
                waiter.changed.set()

    def _wake_all(self) -> None:
        for waiter in self._waiters.values():
            waiter.changed.set()


def options_of(spec: RolloutSpec) -> HealthOptions:
    """Return what the document says about health, as the health rules want it."""
    return HealthOptions(
        timeout=spec.health.timeout,
        progress_timeout=spec.health.progress_timeout,
        soak=spec.health.soak,
        skip=tuple(
            Skip(kind=s.kind or "", name=s.name or "", namespace=s.namespace or "", group=s.group)
            for s in spec.health.skip
        ),
    )


def _take_newest(waiter: Waiter, watch: SharedWatch) -> None:
    """Move the waiter to what the watch knows, unless the answer to our write is newer."""
    seen = watch.objects.get(waiter.subject.ref)
    known = waiter.live
    if seen is not None and waiter.subject.uid not in {"", seen.uid}:
        seen = None
    if seen is not None:
        if known is None or _version(seen) >= _version(known):
            waiter.live = seen
    elif watch.is_synced:
        waiter.live = None


def _version(live: LiveObject) -> int:
    """Return a resourceVersion as a number; the API promises that they can be compared."""
    return int(live.resource_version) if live.resource_version.isdigit() else 0
