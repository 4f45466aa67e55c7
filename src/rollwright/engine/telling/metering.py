"""From what runs tell to what is counted.

Before: the dispatcher made runs of firings, and each told how it goes on.
After: ``metrics`` has the figures; whoever looks asks for the queue's at that moment.

Nothing here may break a run: figures of one that tells something odd are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from rollwright.engine.documents import LoadedRollout
from rollwright.engine.progress import (
    Applied,
    ChangeEnded,
    Counted,
    Listener,
    Planned,
    Progress,
    StageBegan,
)
from rollwright.engine.telling.metrics import OTHER, Metrics
from rollwright.rollouts.change import Operation, Prediction, Way
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import ChangeResult, Outcome

if TYPE_CHECKING:
    from rollwright.engine.listening.pending import Pending
    from rollwright.engine.listening.running import Ended

PHASES = ("fetch", "render", "state", "read", "forecast", "begin", "work", "finish", "plan")
"""Phases of a run; ``work`` is what lies between opening the journal and closing it."""

OUTCOMES = (*(one.value for one in Outcome), "refused", "waiting", "gone")
"""How runs end."""

_WAYS = {Way.APPLY: "apply", Way.CREATE: "createOnly", Way.PUT: "createOrUpdate"}
_UNFINISHED = frozenset({"waiting", "cancelled"})
_OF_THE_LAST_RUN = (
    "rollwright_last_success_timestamp_seconds", "rollwright_objects",
    "rollwright_drifted_objects",
)  # fmt: skip


@dataclass(slots=True)
class _Run:
    """What one run told so far."""

    cluster: str
    clock: Callable[[], float]
    phase: str = ""
    since: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    plan: Plan | None = None
    ways: Mapping[ObjectRef, Way] = field(default_factory=dict)

    def enter(self, phase: str) -> None:
        """Close the phase that goes on, and begin another."""
        now = self.clock()
        if self.phase:
            self.seconds[self.phase] = self.seconds.get(self.phase, 0.0) + now - self.since
        self.phase, self.since = phase, now


@dataclass(kw_only=True)
class Meter:
    """Counts the runs of a site.

    Attributes:
        metrics: Where they are counted.
        rollouts: The declared ones: their targets and sources.
        clock: Seconds that only grow.
        now: The instant, aware.
    """

    metrics: Metrics
    rollouts: Mapping[str, LoadedRollout]
    clock: Callable[[], float] = monotonic
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _runs: dict[str, _Run] = field(default_factory=dict)
    _wanted: dict[str, str] = field(default_factory=dict)
    _phases: dict[tuple[str, str], str] = field(default_factory=dict)

    def listener(self, pending: Pending) -> Listener:
        """Return who hears of one run."""
        run = self._runs[pending.instance] = _Run(pending.cluster, self.clock)
        return lambda progress: self._take(pending, run, progress)

    def asked(self, pending: Pending, is_noted: bool) -> None:  # noqa: FBT001  (an answer is told)
        """Count what was asked for."""
        if is_noted:
            self.metrics.add("rollwright_firings_total", kind=pending.kind)
            return
        self.metrics.add(
            "kube_applier_run_queue_failures",
            namespace=self.namespace(pending.rollout),
            type=pending.kind,
        )

    def ended(self, pending: Pending, how: Ended, seconds: float) -> None:
        """Count a run that ended."""
        run = self._runs.pop(pending.instance, None) or _Run(pending.cluster, self.clock)
        run.enter("")
        app, cluster = pending.rollout, pending.cluster
        outcome = how.outcome if how.outcome in OUTCOMES else "failed"
        for phase, spent in run.seconds.items():
            self.metrics.observe(
                "rollwright_phase_duration_seconds", spent, cluster=cluster, phase=phase
            )
        self.metrics.add("rollwright_runs_total", app=app, cluster=cluster, outcome=outcome)
        if how.cause:
            self.metrics.add("rollwright_run_errors_total", cause=how.cause)
        if how.cause == "LockLost":
            self.metrics.add("rollwright_lock_losses_total", cluster=cluster)
        self._show_phase(app, cluster, outcome)
        if outcome in _UNFINISHED:
            return
        self.metrics.observe("rollwright_run_duration_seconds", seconds, app=app, cluster=cluster)
        if how.is_good:
            now = self.now()
            self.metrics.observe(
                "rollwright_answer_seconds", (now - pending.at).total_seconds(), cluster=cluster
            )
            self.metrics.put(
                "rollwright_last_success_timestamp_seconds",
                now.timestamp(),
                app=app,
                cluster=cluster,
            )
        self._count_drift(pending, run, how)
        self._count_as_older(pending, how, seconds)
        self._count_fetch(pending, run, how)

    def delivery(self, kind: str, outcome: str) -> None:
        """Count a delivery that came in."""
        words = outcome.replace(" ", "-")
        self.metrics.add("rollwright_webhook_deliveries_total", kind=kind, outcome=words)

    def count(self, what: Counted, cluster: str = "") -> None:
        """Count what happened in a run or outside of one."""
        name, _, rest = what.what.partition(" ")
        if name == "render":
            self.metrics.add("rollwright_renders_total", result=what.result)
        elif name == "lock":
            self.metrics.observe("rollwright_lock_wait_seconds", what.seconds, cluster=cluster)
        elif name == "database":
            self.metrics.observe(
                "database_transaction_duration_seconds", what.seconds, result=what.result
            )
        elif name == "feedback":
            self.metrics.add("rollwright_feedback_total", sink=rest, outcome=what.result)

    def forget_lost(self) -> None:
        """Show nothing more of rollouts that are not declared any more: nobody would correct it."""
        for labels, phase in tuple(self._phases.items()):
            about = dict(zip(("app", "cluster"), labels, strict=True))
            if labels[0] in self.rollouts or labels[0] == OTHER:
                continue
            del self._phases[labels]
            self.metrics.drop("rollwright_app_status", phase=phase, **about)
            for name in _OF_THE_LAST_RUN:
                self.metrics.drop(name, **about)

    def namespace(self, rollout: str) -> str:
        """Return the target namespace of a declared rollout; empty if it names none."""
        declared = self.rollouts.get(rollout)
        return (declared.spec.target.namespace or "") if declared else ""

    def _take(self, pending: Pending, run: _Run, progress: Progress) -> None:
        match progress:
            case StageBegan(stage):
                run.enter(stage if stage in PHASES else "plan")
            case Planned(plan):
                run.plan = plan
                run.ways = {change.ref: change.way for change in plan.changes}
                self._count_plan(pending, plan)
                run.enter("plan")
            case Applied() if run.phase != "work":
                run.enter("work")
            case ChangeEnded(result) if result.operation is not Operation.KEEP:
                self._count_change(pending, run, result)
            case Counted():
                self.count(progress, pending.cluster)
            case _:
                pass

    def _count_plan(self, pending: Pending, plan: Plan) -> None:
        about = {"app": pending.rollout, "cluster": pending.cluster}
        wanted = [change for change in plan.changes if change.wanted is not None]
        saved = sum(1 for one in wanted if one.prediction is Prediction.NONE and not one.writes)
        breaches = sum(guard.is_breached for guard in plan.guards)
        self.metrics.put("rollwright_objects", len(wanted), **about)
        self.metrics.add("rollwright_dry_runs_saved_total", saved, **about)
        self.metrics.add("rollwright_guard_breaches_total", breaches, **about)

    def _count_change(self, pending: Pending, run: _Run, result: ChangeResult) -> None:
        is_good = result.outcome is Outcome.SUCCEEDED
        if is_good:
            self.metrics.add(
                "rollwright_changes_total",
                app=pending.rollout,
                cluster=pending.cluster,
                operation=result.operation.value,
            )
        if way := _WAYS.get(run.ways.get(result.ref, Way.NONE)):
            words = {"type": way, "result": "success" if is_good else "error"}
            self.metrics.add("hive_syncsetinstance_resources_applied_total", **words)

    def _count_drift(self, pending: Pending, run: _Run, how: Ended) -> None:
        """Say what was found changed although the same was wanted as after the last good run."""
        if run.plan is None:
            return
        if run.plan.wanted_digest == self._wanted.get(pending.instance):
            drifted = sum(change.writes for change in run.plan.changes)
            self.metrics.put(
                "rollwright_drifted_objects", drifted, app=pending.rollout, cluster=pending.cluster
            )
        if how.is_good:
            self._wanted[pending.instance] = run.plan.wanted_digest

    def _show_phase(self, app: str, cluster: str, outcome: str) -> None:
        # NB: beyond the bound many share one series, so what it showed is kept by its labels.
        labels = (self.metrics.bounded("app", app), self.metrics.bounded("cluster", cluster))
        about = dict(zip(("app", "cluster"), labels, strict=True))
        before = self._phases.get(labels)
        if before and before != outcome:
            self.metrics.put("rollwright_app_status", 0, phase=before, **about)
        self._phases[labels] = outcome
        self.metrics.put("rollwright_app_status", 1, phase=outcome, **about)

    def _count_as_older(self, pending: Pending, how: Ended, seconds: float) -> None:
        """Count a run by the names of older systems."""
        metrics, namespace = self.metrics, self.namespace(pending.rollout)
        success, now = str(how.is_good).lower(), self.now().timestamp()
        metrics.observe("rollout_execution_duration_seconds", seconds)
        metrics.add("rollout_executions_total")
        if not how.is_good:
            metrics.add("rollout_executions_failed_total")
        metrics.observe("run_latency_seconds", seconds, success=success)
        metrics.put("last_run_timestamp_seconds", now)
        about = {"namespace": namespace, "success": success}
        metrics.observe("kube_applier_run_latency_seconds", seconds, dryrun="false", **about)
        for name in ("namespace_apply_count", "kube_applier_namespace_apply_count"):
            metrics.add(name, **about)
        metrics.put("kube_applier_last_run_success", how.is_good, namespace=namespace)
        metrics.put("kube_applier_last_run_timestamp_seconds", now, namespace=namespace)

    def _count_fetch(self, pending: Pending, run: _Run, how: Ended) -> None:
        declared, spent = self.rollouts.get(pending.rollout), run.seconds.get("fetch")
        if declared is None or spent is None or declared.spec.source.name != "git":
            return
        is_good = how.is_good or set(run.seconds) > {"fetch"}
        words = str(is_good).lower()
        self.metrics.add("kube_applier_git_sync_count", success=words)
        self.metrics.observe("kube_applier_git_sync_latency_seconds", spent, success=words)
        if is_good:
            self.metrics.put("kube_applier_git_last_sync_timestamp", self.now().timestamp())
