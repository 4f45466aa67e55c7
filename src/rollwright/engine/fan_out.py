"""One rollout to many clusters, in batches, with a budget for failures and a soak between.

Before: somebody named clusters of site.toml, or labels of them.
After: each has a run of its own, with plan, lock, guards and health; a report has a line for each.

The fan-out only decides which clusters may start now (FL-02). One that was not begun is as it
was; one that was begun comes to its end, whatever becomes of the others. What is remembered is
remembered per cluster, so the same fan-out again goes on where this one ended: clusters that are
done have nothing to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeAlias

from rollwright.engine import operations
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.progress import Note
from rollwright.engine.site import Site
from rollwright.engine.stages import DIRECT, Stages
from rollwright.errors import GuardRefused, InvalidDocument, NotFound, RolloutError
from rollwright.rollouts.fleet import (
    Fleet,
    Pace,
    Share,
    TargetStatus,
    breach,
    conclude_fleet,
    is_over,
    make_fleet,
    may_start,
    read_share,
    select_targets,
)
from rollwright.rollouts.fleet_report import FleetReport, TargetResult, sum_up
from rollwright.rollouts.guards import with_approval
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Outcome, Report
from rollwright.rollouts.spec import Approval, RolloutSpec, parse_duration
from rollwright.rollouts.status import Status
from rollwright.rollouts.trigger import Trigger

LOOK_EVERY = timedelta(seconds=10)
"""How often a cluster is looked at while it has to stay good."""

GUARDS_TOLERATED = 1
"""Clusters in which guards may be breached before everything stops, whatever the budget (FL-54)."""

_GOOD = frozenset({Status.CURRENT, Status.SUSPENDED})
_STATUSES = {
    Outcome.SUCCEEDED: TargetStatus.SUCCEEDED,
    Outcome.SUPERSEDED: TargetStatus.SKIP,
}

RunTarget: TypeAlias = Callable[[LoadedRollout], Awaitable[TargetResult]]
"""Carries a rollout out in the cluster that it names; the fan-out knows the batch."""


def make_pace(
    *,
    serial: Iterable[Share] = (),
    max_failures: Share = 0,
    min_success: Share = 0,
    soak: timedelta | str = timedelta(),
    max_concurrency: Share = "100%",
) -> Pace:
    """Return how a fan-out goes through its clusters, as somebody said it.

    Raises:
        InvalidDocument: A number, per cent or a time is none.
    """
    try:
        return Pace(
            serial=tuple(map(_share, serial)),
            max_failures=_share(max_failures),
            min_success=_share(min_success),
            soak=parse_duration(soak) if isinstance(soak, str) else soak,
            max_concurrency=_share(max_concurrency),
        )
    except ValueError as error:
        raise InvalidDocument(
            f"fan-out: {error}", hint="say a number such as 3, or per cent such as 10%"
        ) from error


def _share(share: Share) -> Share:
    return read_share(share) if isinstance(share, str) else share


def choose_targets(
    site: Site, names: Iterable[str], labels: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return the clusters of site.toml that are meant.

    Raises:
        NotFound: One that is named is not there, or none is meant.
    """
    declared = site.loaded.file.clusters
    known = ", ".join(sorted(declared)) or "none"
    where = site.loaded.path or "site.toml"
    try:
        found = select_targets(
            {name: entry.labels for name, entry in declared.items()}, names, labels or {}
        )
    except LookupError as error:
        raise NotFound(f"no cluster {error.args[0]!r} in {where}; known: {known}") from error
    if not found:
        raise NotFound(
            f"no cluster of {where} is meant; known: {known}",
            hint="name clusters, or labels that some of them have ([clusters.NAME] labels)",
        )
    return found


def in_cluster(rollout: LoadedRollout, cluster: str) -> LoadedRollout:
    """Return the rollout with another target."""
    target = rollout.spec.target.model_copy(update={"cluster": cluster})
    return replace(rollout, spec=rollout.spec.model_copy(update={"target": target}))


async def fan_out(
    site: Site,
    rollout: LoadedRollout,
    targets: tuple[str, ...],
    pace: Pace,
    *,
    run: RunTarget | None = None,
) -> FleetReport:
    """Carry a rollout out in many clusters.

    Args:
        site: The installation; setting its ``stop`` starts no more, and ends those at work.
        rollout: What is carried out.
        targets: Clusters, as ``choose_targets`` returned them.
        pace: Batches, budgets, soak.
        run: How one cluster is dealt with; by default by a run in this process.
    """
    fleet = make_fleet(targets, pace)
    going = _Going(
        site=site, rollout=rollout, fleet=fleet, run=run or partial(run_here, site, stages=DIRECT)
    )
    return await going.through()


def agreeing(stages: Stages) -> Stages:
    """Return the stages; whoever started the fan-out approves every plan that needs it."""

    async def approve(site: Site, spec: RolloutSpec, plan: Plan) -> None:
        unasked = spec.model_copy(update={"approval": Approval.NEVER})
        await stages.approve(site, unasked, with_approval(plan))

    return replace(stages, approve=approve)


async def run_here(
    site: Site,
    rollout: LoadedRollout,
    *,
    stages: Stages = DIRECT,
    trigger: Trigger | None = None,
) -> TargetResult:
    """Carry a rollout out in one cluster by a run in this process."""
    cluster = rollout.spec.target.cluster
    try:
        report = await operations.roll_out(site, rollout, stages, trigger=trigger)
    except RolloutError as error:
        return failure_of(cluster, error)
    return result_of(cluster, report)


def result_of(cluster: str, report: Report) -> TargetResult:
    """Return what became of a cluster whose run has a report."""
    status = _STATUSES.get(report.outcome, TargetStatus.FAILED)
    return TargetResult(
        cluster=cluster,
        batch=0,
        status=status,
        message=report.message,
        hint=report.hint,
        exit_code=1 if status is TargetStatus.FAILED else 0,
        url=report.trigger.url,
        report=report,
    )


def failure_of(cluster: str, error: Exception) -> TargetResult:
    """Return what became of a cluster whose run was refused or broke off."""
    if not isinstance(error, RolloutError):
        # The words of a defect may hold anything.
        error = RolloutError(f"unexpected {type(error).__name__}")
    return TargetResult(
        cluster=cluster,
        batch=0,
        status=TargetStatus.FAILED,
        message=error.message,
        hint=error.hint or "",
        exit_code=error.exit_code,
        is_guarded=isinstance(error, GuardRefused),
    )


@dataclass(kw_only=True)
class _Going:
    """A fan-out while it goes on."""

    site: Site
    rollout: LoadedRollout
    fleet: Fleet
    run: RunTarget
    statuses: dict[str, TargetStatus] = field(default_factory=dict)
    results: dict[str, TargetResult] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def through(self) -> FleetReport:
        working: set[asyncio.Task[None]] = set()
        try:
            while True:
                working |= {asyncio.create_task(self._deal_with(one)) for one in self._next()}
                if not working:
                    return self._report()
                done, working = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
        except BaseException:
            # None is left half-way: those at work end, in order, before we do.
            self.site.stop.set()
            await asyncio.gather(*working, return_exceptions=True)
            raise

    def _next(self) -> tuple[str, ...]:
        """Return the clusters that start now."""
        if self.site.stop.is_set() or self._why() or is_over(self.fleet, self.statuses):
            return ()
        found = may_start(self.fleet, self.statuses)
        self.statuses.update(dict.fromkeys(found, TargetStatus.PROGRESSING))
        if found:
            self.site.tell(Note(f"{self.rollout.spec.name} goes to {', '.join(found)}"))
        return found

    def _why(self) -> str:
        """Return what stops the fan-out."""
        known = (self.results.get(one) for one in self.fleet.targets)
        guarded = [one.cluster for one in known if one is not None and one.is_guarded]
        if len(guarded) > GUARDS_TOLERATED:
            return f"guards were breached in {len(guarded)} clusters: {', '.join(guarded)}"
        return breach(self.fleet, self.statuses)

    async def _deal_with(self, cluster: str) -> None:
        there = in_cluster(self.rollout, cluster)
        try:
            result = await self.run(there)
            if result.status is TargetStatus.SUCCEEDED and self.fleet.pace.soak:
                self.statuses[cluster] = TargetStatus.SOAKING
                result = await self._soaked(there, result)
        except Exception as error:  # noqa: BLE001  (one cluster's defect must not end the others)
            result = failure_of(cluster, error)
        self.results[cluster] = result
        self.statuses[cluster] = result.status
        self.site.tell(Note(f"{cluster}: {result.status}: {result.message}"))

    async def _soaked(self, there: LoadedRollout, result: TargetResult) -> TargetResult:
        """Return the result once the cluster has stayed good; a failure if it did not (FL-52)."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.fleet.pace.soak.total_seconds()
        while (left := end - loop.time()) > 0 and not self.site.stop.is_set():
            await self._stopped_within(min(left, LOOK_EVERY.total_seconds()))
            if bad := await self._what_is_bad(there):
                words = f"did not stay good for {self.fleet.pace.soak.total_seconds():g} s: {bad}"
                return replace(result, status=TargetStatus.FAILED, message=words, exit_code=1)
        return result

    async def _stopped_within(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.site.stop.wait(), seconds)
        except TimeoutError:
            return

    async def _what_is_bad(self, there: LoadedRollout) -> str:
        try:
            overview = await operations.status(
                self.site, there.spec.name, cluster=there.spec.target.cluster
            )
        except RolloutError as error:
            return error.message
        worst = next((one for one in overview.statuses if one.status not in _GOOD), None)
        return f"{worst.ref}: {worst.message or worst.reason or worst.status}" if worst else ""

    def _report(self) -> FleetReport:
        results = tuple(
            replace(self.results.get(one) or _untouched(one), batch=number)
            for number, batch in enumerate(self.fleet.batches, 1)
            for one in batch
        )
        why, is_cancelled = self._why(), self.site.stop.is_set()
        return FleetReport(
            rollout=self.rollout.spec.name,
            outcome=conclude_fleet(self.fleet, self.statuses, is_cancelled=is_cancelled, why=why),
            message=sum_up(results, why or ("it was cancelled" if is_cancelled else "")),
            started_at=self.started_at,
            ended_at=datetime.now(UTC),
            results=results,
        )


def _untouched(cluster: str) -> TargetResult:
    words = "was not begun; nothing was changed"
    return TargetResult(cluster=cluster, batch=0, status=TargetStatus.TO_APPLY, message=words)
