"""``events``: Kubernetes Events beside the rollout's parent, or about the object that fired (FB-06).

Before: a run planned, began or ended. After: ``kubectl get events`` shows it; what happens again is
counted up, not repeated.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import (
    Cluster,
    FeedbackContext,
    GetRequest,
    PatchForm,
    PatchRequest,
)
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.feedback import Event, Feedback, Reason, Severity
from rollwright.rollouts.manifest import ObjectRef

API_VERSION, GROUP, KIND = "events.k8s.io/v1", "events.k8s.io", "Event"
CONTROLLER = "rollwright.dev/rollwright"

NOTE_BYTES = 1024
"""What the API takes."""

COUNTED_FOR = timedelta(hours=1)
"""How long an Event is counted up; the API server forgets it after that time anyway."""

_CONFLICT = 409
_NAMES = {
    Event.PLANNED: "Planned",
    Event.APPROVAL_NEEDED: "ApprovalNeeded",
    Event.STARTED: "Started",
    Event.STEP_ENDED: "StepEnded",
    Event.GROUP_ENDED: "GroupEnded",
    Event.SUCCEEDED: "Succeeded",
    Event.RECOVERED: "Recovered",
    Event.ROLLED_BACK: "RolledBack",
    Event.TEST: "Test",
}


class Events(BaseModel):
    """Writes Events into the target's cluster."""

    model_config = OPTIONS

    usual_events: ClassVar[frozenset[Event]] = frozenset({
        Event.PLANNED, Event.APPROVAL_NEEDED, Event.STARTED, Event.SUCCEEDED, Event.FAILED,
        Event.ROLLED_BACK, Event.RECOVERED,
    })  # fmt: skip

    namespace: str = Field(
        default="",
        pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$",
        description="Where the parents of ApplySets are; without it where the site keeps them.",
    )

    def bind(self, context: FeedbackContext) -> BoundEvents:
        """Return the sink for a target."""
        return BoundEvents(options=self, context=context)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundEvents:
    """Events of one target."""

    options: Events
    context: FeedbackContext

    @property
    def usual_events(self) -> frozenset[Event]:
        """What is told where no rule says what."""
        return self.options.usual_events

    async def tell(self, feedback: Feedback) -> None:
        """Write it, or count it up."""
        cluster = await self.context.cluster()
        regarding = await self._regarding(cluster, feedback)
        now = feedback.at or datetime.now(UTC)
        body = make_event(feedback, regarding, now)
        ref = ObjectRef(
            group=GROUP,
            kind=KIND,
            namespace=body["metadata"]["namespace"],
            name=body["metadata"]["name"],
        )
        if await _counted_up(cluster, ref, now):
            return
        try:
            await cluster.create(body)
        except ClusterError as error:
            if error.status != _CONFLICT:
                raise
            await _counted_up(cluster, ref, now)

    async def _regarding(self, cluster: Cluster, feedback: Feedback) -> dict[str, str]:
        """Return the object that it is about: what fired, or else the rollout's parent."""
        subject = {key: text for key, text in feedback.subject.items() if text}
        if subject.keys() >= {"apiVersion", "kind", "name"}:
            return {k: v for k, v in subject.items() if k in _REGARDING}
        namespace = self.options.namespace or self.context.namespace
        name = feedback.rollout or "rollwright"
        ref = ObjectRef(group="", kind="ConfigMap", namespace=namespace, name=name)
        live = await cluster.get(GetRequest(ref=ref, api_version="v1"))
        if live is not None:
            found = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace, "name": name}
            return {**found, "uid": live.uid}
        # Before the first run there is no parent, and perhaps not even its namespace.
        space = ObjectRef(group="", kind="Namespace", namespace="", name=namespace)
        if await cluster.get(GetRequest(ref=space, api_version="v1")) is None:
            return {"apiVersion": "v1", "kind": "Namespace", "name": "default"}
        return {"apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace, "name": name}


_REGARDING = frozenset({"apiVersion", "kind", "namespace", "name", "uid"})


def make_event(feedback: Feedback, regarding: dict[str, str], at: datetime) -> dict[str, Any]:
    """Return the Event; equal ones of an hour have the same name. Pure."""
    # NB: what is about an object of the whole cluster has to lie in `default`.
    namespace = regarding.get("namespace") or "default"
    note = _cut(f"{feedback.title}: {feedback.message}" if feedback.message else feedback.title)
    parts = [*sorted(regarding.items()), feedback.event, feedback.reason, note, feedback.revision]
    hour = int(at.timestamp() // COUNTED_FOR.total_seconds())
    digest = sha256(repr((parts, hour)).encode()).hexdigest()[:16]
    is_bad = feedback.severity is not Severity.INFO
    instant = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": f"{regarding['name'][:200]}.{digest}", "namespace": namespace},
        "eventTime": instant,
        "reportingController": CONTROLLER,
        "reportingInstance": socket.gethostname()[:128] or "rollwright",
        "action": _NAMES.get(feedback.event, "Told"),
        "reason": _reason(feedback),
        "type": "Warning" if is_bad else "Normal",
        "regarding": regarding,
        "note": note,
    }


def _reason(feedback: Feedback) -> str:
    is_failed = feedback.event in {Event.FAILED, Event.GROUP_ENDED, Event.STEP_ENDED}
    if is_failed and feedback.reason not in {None, Reason.SUCCEEDED}:
        return str(feedback.reason)
    return _NAMES.get(feedback.event, "Told")


def _cut(text: str) -> str:
    data = " ".join(text.split()).encode()
    if len(data) < NOTE_BYTES:
        return data.decode()
    return data[: NOTE_BYTES - 4].decode("utf-8", "ignore") + "…"


async def _counted_up(cluster: Cluster, ref: ObjectRef, now: datetime) -> bool:
    """Count an Event up that is there; whether it is."""
    live = await cluster.get(GetRequest(ref=ref, api_version=API_VERSION))
    if live is None:
        return False
    count = (live.body.get("series") or {}).get("count", 1)
    instant = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    series = {"count": count + 1, "lastObservedTime": instant}
    await cluster.patch(
        PatchRequest(
            ref=ref, api_version=API_VERSION, form=PatchForm.MERGE, content={"series": series}
        )
    )
    return True
