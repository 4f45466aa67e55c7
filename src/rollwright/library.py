"""The same as the command line, from Python.

Before: somebody has a rollout's file.
After: values: objects, a plan, a report, an overview.

Every function is ``async`` and takes a rollout as ``load`` returned it, or its path. Several
calls share connections when they share a ``site``; without one, each call opens its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from rollwright.engine import operations
from rollwright.engine.approval import answering, saved
from rollwright.engine.approval.approvals import approving
from rollwright.engine.approval.plan_files import read_plan, write_plan
from rollwright.engine.documents import LoadedRollout, load_rollout
from rollwright.engine.fan_out import choose_targets, make_pace, run_here
from rollwright.engine.fan_out import fan_out as go_through
from rollwright.engine.progress import Listener, ignore
from rollwright.engine.returning import history as revisions
from rollwright.engine.returning import holding
from rollwright.engine.site import Site, actor_here, open_site
from rollwright.engine.stages import DIRECT
from rollwright.rollouts.approving import Verdict
from rollwright.rollouts.drift.find import Drift
from rollwright.rollouts.fleet_report import FleetReport
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Report
from rollwright.rollouts.revisions.history import History, RevisionDiff
from rollwright.rollouts.saved.saved_plan import SavedPlan


def load(path: Path | str) -> LoadedRollout:
    """Read a rollout from its file, or from a folder's ``rollout.yaml``.

    Raises:
        NotFound: There is no such file.
        InvalidDocument: It is not YAML or JSON.
        InvalidSpec: Something in it is wrong; every problem is told.
    """
    return load_rollout(path)


async def render(rollout: LoadedRollout | Path | str, *, site: Site | None = None) -> ManifestSet:
    """Return the objects that a rollout declares; needs no cluster.

    Raises:
        RenderError: The source or a renderer failed.
        InvalidManifests: Objects are wrong or stand twice; every problem is told.
    """
    async with _opened(rollout, site) as (loaded, opened):
        return await operations.render(opened, loaded)


async def plan(rollout: LoadedRollout | Path | str, *, site: Site | None = None) -> Plan:
    """Return what a rollout would change, and change nothing.

    Raises:
        RolloutError: The plan cannot be made.
    """
    async with _opened(rollout, site) as (loaded, opened):
        return await operations.plan(opened, loaded)


async def save_plan(
    rollout: LoadedRollout | Path | str, file: Path | str, *, site: Site | None = None
) -> SavedPlan:
    """Write what a rollout would change to a file, for ``rollout(…, plan=file)``.

    Raises:
        NotFound: The file cannot be written.
        RolloutError: The plan cannot be made.
    """
    async with _opened(rollout, site) as (loaded, opened):
        made = await saved.save_plan(opened, loaded)
    write_plan(made, Path(file))
    return made


async def rollout(
    rollout: LoadedRollout | Path | str,
    *,
    plan: SavedPlan | Path | str | None = None,
    approved: str = "",
    site: Site | None = None,
    allow_prune: bool = False,
    tell: Listener = ignore,
) -> Report:
    """Carry a rollout out, wait until everything is Current, and return the record.

    A rollout that ran and failed is a report with that outcome, not an exception.

    Args:
        rollout: What to carry out.
        plan: A saved plan, or its file: exactly that is carried out, or nothing.
        approved: Id of the plan that somebody approved; any other one is refused.
        site: The installation; the rollout's own by default.
        allow_prune: Let the guards on the number of deletes pass.
        tell: Called with what happens meanwhile.

    Raises:
        Refused: A guard, a lock, or a world that moved on; nothing was changed.
        RolloutError: The plan cannot be made; nothing was changed.
    """
    stages = DIRECT.allowing_prune() if allow_prune else DIRECT
    stages = approving(stages, approved) if approved else stages
    async with _opened(rollout, site) as (loaded, opened):
        if tell is not ignore:
            opened.tell = tell
        if plan is None:
            return await operations.roll_out(opened, loaded, stages)
        made = plan if isinstance(plan, SavedPlan) else read_plan(Path(plan))
        return await saved.roll_out_saved(opened, loaded, made, stages)


async def fan_out(  # noqa: PLR0913  (what one may say of a fan-out)
    rollout: LoadedRollout | Path | str,
    *,
    clusters: Sequence[str] = (),
    selector: Mapping[str, str] | None = None,
    serial: Sequence[int | str] = (),
    max_failures: int | str = 0,
    min_success: int | str = 0,
    soak: timedelta | str = timedelta(),
    max_concurrency: int | str = "100%",
    site: Site | None = None,
    allow_prune: bool = False,
    tell: Listener = ignore,
) -> FleetReport:
    """Carry a rollout out in many clusters, batch by batch, and return a line for each.

    Clusters that failed are in the report, not an exception. One that was not begun when it
    stopped is as it was.

    Args:
        rollout: What to carry out; its own target does not count.
        clusters: Clusters of site.toml, in this order.
        selector: Labels that further clusters have.
        serial: Sizes of the batches, such as ``(1, "10%", "50%")``; the last one repeats.
        max_failures: Failures that are tolerated: a number or per cent.
        min_success: How many of a batch must succeed before the next one starts.
        soak: How long a cluster must stay good before it counts, such as ``"10m"``.
        max_concurrency: Clusters in work at the same time.
        site: The installation; the rollout's own by default.
        allow_prune: Let the guards on the number of deletes pass.
        tell: Called with what happens meanwhile.

    Raises:
        NotFound: A cluster is not there, or none is meant.
        InvalidDocument: A number, per cent or a time is none.
    """
    pace = make_pace(
        serial=serial,
        max_failures=max_failures,
        min_success=min_success,
        soak=soak,
        max_concurrency=max_concurrency,
    )
    stages = DIRECT.allowing_prune() if allow_prune else DIRECT
    async with _opened(rollout, site) as (loaded, opened):
        if tell is not ignore:
            opened.tell = tell
        targets = choose_targets(opened, clusters, selector)
        run = partial(run_here, opened, stages=stages)
        return await go_through(opened, loaded, targets, pace, run=run)


async def status(rollout: LoadedRollout | Path | str, *, site: Site | None = None) -> Overview:
    """Return what is live of a rollout.

    Raises:
        NotFound: Nothing is remembered of it in its target.
    """
    async with _opened(rollout, site) as (loaded, opened):
        spec = loaded.spec
        return await operations.status(opened, spec.name, cluster=spec.target.cluster)


async def drift(rollout: LoadedRollout | Path | str, *, site: Site | None = None) -> Drift:
    """Return what in the cluster differs from the last rollout, and who changed it.

    Compared is what was rolled out, not what the source holds now.

    Raises:
        NotFound: Nothing is remembered of it in its target.
    """
    async with _opened(rollout, site) as (loaded, opened):
        spec = loaded.spec
        return await operations.drift(opened, spec.name, cluster=spec.target.cluster)


async def history(rollout: LoadedRollout | Path | str, *, site: Site | None = None) -> History:
    """Return what is remembered of the runs of a rollout.

    Raises:
        NotFound: Nothing is remembered of it in its target.
    """
    async with _opened(rollout, site) as (loaded, opened):
        spec = loaded.spec
        return await revisions.history(opened, spec.name, cluster=spec.target.cluster)


async def diff(
    rollout: LoadedRollout | Path | str,
    old: int,
    new: int | None = None,
    *,
    site: Site | None = None,
) -> RevisionDiff:
    """Return how one revision of a rollout differs from another, or from the last success.

    Raises:
        NotFound: There is no such revision, or its objects are not kept.
    """
    async with _opened(rollout, site) as (loaded, opened):
        spec = loaded.spec
        return await revisions.diff(opened, spec.name, old, new, cluster=spec.target.cluster)


async def rollback(
    rollout: LoadedRollout | Path | str,
    *,
    to: int | None = None,
    reason: str = "",
    site: Site | None = None,
    allow_prune: bool = False,
    tell: Listener = ignore,
) -> Report:
    """Bring a former revision of a rollout back, and hold it until the source changes.

    Args:
        rollout: What to roll back.
        to: Number of the revision; by default the last success before the current one.
        reason: Why, for those who ask later.
        site: The installation; the rollout's own by default.
        allow_prune: Let the guards on the number of deletes pass.
        tell: Called with what happens meanwhile.

    Raises:
        NotFound: There is no such revision, or its objects are not kept.
        Refused: A guard, a hold, a lock, or a world that moved on; nothing was changed.
        RolloutError: The plan cannot be made; nothing was changed.
    """
    stages = DIRECT.allowing_prune() if allow_prune else DIRECT
    async with _opened(rollout, site) as (loaded, opened):
        if tell is not ignore:
            opened.tell = tell
        prepared = await revisions.prepare_rollback(
            opened, loaded.spec.name, to=to, declared=loaded.spec, reason=reason, stages=stages
        )
        return await revisions.roll_back(opened, prepared, stages=stages)


async def hold(
    rollout: LoadedRollout | Path | str, *, reason: str, site: Site | None = None
) -> None:
    """Freeze a rollout until it is released, whatever its source says.

    Raises:
        NotFound: Nothing is remembered of it in its target.
    """
    async with _opened(rollout, site) as (loaded, opened):
        await holding.hold(opened, loaded.spec, reason=reason, actor=actor_here())


async def release(
    rollout: LoadedRollout | Path | str, *, reason: str = "", site: Site | None = None
) -> None:
    """Take the hold off a rollout.

    Raises:
        NotFound: Nothing is remembered of it in its target.
    """
    async with _opened(rollout, site) as (loaded, opened):
        await holding.release(opened, loaded.spec, reason=reason, actor=actor_here())


async def approve(
    rollout: LoadedRollout | Path | str,
    *,
    plan: str = "",
    reason: str = "",
    site: Site | None = None,
) -> str:
    """Let the plan or the step go on that waits for a person; return what was approved.

    A flow run that is suspended in Prefect is resumed by the command, or by Prefect itself.

    Args:
        rollout: Whose.
        plan: Id of the plan that is meant, or how it begins; by default the one that waits.
        reason: Why, for those who ask later.
        site: The installation; the rollout's own by default.

    Raises:
        NotFound: Nothing waits.
        Refused: Several wait, or somebody approved it already.
    """
    async with _opened(rollout, site) as (loaded, opened):
        return await answering.answer_only(
            opened, loaded.spec, Verdict.APPROVED, actor=actor_here(), reason=reason, plan=plan
        )


async def reject(
    rollout: LoadedRollout | Path | str,
    *,
    plan: str = "",
    reason: str = "",
    site: Site | None = None,
) -> str:
    """Refuse the plan or the step that waits for a person; return what was rejected.

    Raises:
        NotFound: Nothing waits.
        Refused: Several wait, or somebody rejected it already.
    """
    async with _opened(rollout, site) as (loaded, opened):
        return await answering.answer_only(
            opened, loaded.spec, Verdict.REJECTED, actor=actor_here(), reason=reason, plan=plan
        )


@asynccontextmanager
async def _opened(
    rollout: LoadedRollout | Path | str, site: Site | None
) -> AsyncIterator[tuple[LoadedRollout, Site]]:
    loaded = rollout if isinstance(rollout, LoadedRollout) else load_rollout(rollout)
    if site is not None:
        yield loaded, site
        return
    async with open_site(loaded) as opened:
        yield loaded, opened
