"""Verdicts on many objects at once, with reasons for those that are not Current.

Before: the live objects were read.
After: ``status`` prints them; ``make_plan`` finds the contexts in its ``LiveSet``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from rollwright.engine.reading.container_logs import ContainerLogs
from rollwright.engine.reading.evidence import Evidence
from rollwright.engine.reading.surroundings import Surroundings
from rollwright.engine.waiting.waiter import pods_of
from rollwright.engine.waiting.watches import Watches
from rollwright.engine.writing.together import together
from rollwright.plugins.contracts import Cluster
from rollwright.rollouts.health import HealthContext, HealthOptions, compute
from rollwright.rollouts.hiding import hidden_texts
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.status import ObjectStatus

EVIDENCE_WITHIN_SECONDS = 5.0
"""How long pods and events may take to be listed before verdicts go without them."""

_NEEDS_CONTEXT = frozenset({
    ("", "PersistentVolumeClaim"), ("networking.k8s.io", "Ingress"),
})  # fmt: skip


async def with_contexts(cluster: Cluster, live: LiveSet, options: HealthOptions) -> LiveSet:
    """Add what verdicts need to know beside the object, for the kinds where it matters."""
    surroundings = Surroundings(cluster)
    found = [one for one in live if one.ref.group_kind in _NEEDS_CONTEXT or _is_custom(one)]
    contexts = await together(surroundings.context(one, options) for one in found)
    pairs = zip((one.ref for one in found), contexts, strict=True)
    return replace(live, contexts=dict(pairs))


def _is_custom(live: LiveObject) -> bool:
    return "." in live.ref.group and not live.ref.group.endswith(".k8s.io")


async def judge_all(
    cluster: Cluster, objects: Iterable[LiveObject], options: HealthOptions, now: datetime
) -> Mapping[ObjectRef, ObjectStatus]:
    """Return the verdict on each object; pods and events are read for those not Current."""
    objects = tuple(objects)
    surroundings = Surroundings(cluster)
    contexts = {one.ref: await surroundings.context(one, options) for one in objects}
    statuses = {one.ref: compute(one.body, contexts[one.ref], now) for one in objects}
    troubled = [one for one in objects if not statuses[one.ref].is_current]
    if troubled:
        hidden = hidden_texts(one.body for one in objects if one.is_secret)
        statuses |= await _explain(cluster, troubled, options, now, hidden)
    return statuses


async def _explain(
    cluster: Cluster,
    objects: Iterable[LiveObject],
    options: HealthOptions,
    now: datetime,
    hidden: frozenset[str],
) -> dict[ObjectRef, ObjectStatus]:
    watches = Watches(cluster)
    evidence = Evidence(watches, lambda _uid: None)
    try:
        for namespace in sorted({one.ref.namespace for one in objects if one.ref.namespace}):
            evidence.watch(namespace)
        await watches.synced(within_seconds=EVIDENCE_WITHIN_SECONDS)
        surroundings = Surroundings(cluster, evidence, hidden)
        contexts: dict[ObjectRef, HealthContext] = {
            one.ref: await surroundings.context(one, options) for one in objects
        }
    finally:
        await watches.close()
    logs = ContainerLogs(cluster)
    told = await together(
        _quoting(logs, one, compute(one.body, contexts[one.ref], now), contexts[one.ref])
        for one in objects
    )
    return {status.ref: status for status in told}


async def _quoting(
    logs: ContainerLogs, one: LiveObject, status: ObjectStatus, context: HealthContext
) -> ObjectStatus:
    """Add the last words of the containers that failed."""
    lines = await logs.quote(pods_of(one.body, context), context.secret_values)
    return replace(status, evidence=(*status.evidence, *lines))
