"""Revisions as they were: the rendered set of a former run, out of its snapshot and into one.

Before: ``finish`` keeps the set of every run that succeeded.
After: ``diff``, ``rollback`` and ``drift`` look at it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollwright.engine.progress import Note
from rollwright.engine.run import Run
from rollwright.engine.site import Site
from rollwright.errors import InvalidDocument, InvalidSpec, NotFound, RolloutError, Unreachable
from rollwright.rollouts.hooks.steps import set_apart
from rollwright.rollouts.manifest import Manifest, ManifestSet
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Outcome, Report
from rollwright.rollouts.revisions.history import find_revision, last_success
from rollwright.rollouts.revisions.left import is_to_be_kept
from rollwright.rollouts.revisions.snapshot import Snapshot, decode_snapshot, encode_snapshot
from rollwright.rollouts.salting import salted
from rollwright.rollouts.spec import RolloutSpec, dump, parse
from rollwright.rollouts.state import Revision, RolloutState


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A set that was kept.

    ``spec`` is what declared it; ``None`` where only the objects were kept.
    """

    wanted: ManifestSet
    spec: RolloutSpec | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedRevision(Recorded):
    """A revision and all that was kept of it."""

    revision: Revision


async def load_revision(
    site: Site, spec: RolloutSpec, state: RolloutState, number: int
) -> ManifestSet:
    """Return the rendered set of a former revision.

    Raises:
        NotFound: There is no such revision, or its objects were not kept: it failed.
        InvalidDocument: What was kept is damaged, or was written by a newer version.
    """
    return (await load_record(site, spec, state, number)).wanted


async def load_record(
    site: Site, spec: RolloutSpec, state: RolloutState, number: int
) -> RecordedRevision:
    """Return a former revision with all that was kept of it.

    Raises:
        NotFound: There is no such revision, or its objects were not kept: it failed.
        InvalidDocument: What was kept is damaged, or was written by a newer version.
    """
    revision = find_revision(state, number)
    if not revision.snapshot:
        raise NotFound(
            f"{state.rollout}: the objects of revision {number} were not kept: it"
            f" {revision.outcome}",
            hint=f"`rollwright history {state.rollout}` shows which revisions are kept",
        )
    where = f"revision {number} of {state.rollout}"
    found = await load_kept(site, spec, state, revision.snapshot, where=where)
    return RecordedRevision(revision=revision, wanted=found.wanted, spec=found.spec)


async def load_kept(
    site: Site, spec: RolloutSpec, state: RolloutState, snapshot: str, *, where: str = ""
) -> Recorded:
    """Return a set that was kept, with what declared it.

    Raises:
        NotFound: It is not there.
        InvalidDocument: What was kept is damaged, or was written by a newer version.
    """
    where = where or f"the set that {state.rollout} leaves"
    data = await (await site.store(spec)).get_snapshot(state.rollout, snapshot)
    kept = decode_snapshot(data, where=where)
    declared = _spec_of(kept, where)
    wanted = set_apart(declared or spec, salted(kept.wanted, await site.salt(spec)))
    return Recorded(wanted=wanted, spec=declared)


async def hooks_of_last(site: Site, spec: RolloutSpec, state: RolloutState) -> tuple[Manifest, ...]:
    """Return the hooks of the last success; none, and a note, where they cannot be read."""
    last = last_success(state)
    if last is None:
        return ()
    try:
        return (await load_record(site, spec, state, last.number)).wanted.hooks
    except Unreachable:
        raise
    except RolloutError as error:
        site.tell(Note(f"hooks of revision {last.number} are not known: {error.message}"))
        return ()


def _spec_of(kept: Snapshot, where: str) -> RolloutSpec | None:
    """Return the kept spec; one that this version no longer reads is as good as none."""
    if kept.document is None:
        return None
    try:
        spec = parse(kept.document, name=where)
    except InvalidSpec:
        return None
    return spec.model_copy(update={"groups_parallel": kept.groups_parallel})


async def keep_snapshot(site: Site, spec: RolloutSpec, plan: Plan) -> str:
    """Keep the set that a plan brought about; return what names it.

    Raises:
        InvalidDocument: The set is too large to be kept.
    """
    if plan.rollback is not None:
        return plan.rollback.snapshot
    wanted = plan.manifests
    document = dump(spec, keep_defaults=True)
    data = encode_snapshot(
        ManifestSet(wanted, plan.source), salt=await site.salt(spec), document=document,
        groups_parallel=spec.groups_parallel,
    )  # fmt: skip
    return await (await site.store(spec)).put_snapshot(spec.name, data)


async def keep_left(site: Site, spec: RolloutSpec, plan: Plan) -> str:
    """Keep the set that would have to be undone, before anything is written; return its name.

    A rollback leaves a set that is kept already.
    """
    if plan.rollback is not None:
        return plan.rollback.left_snapshot
    if not is_to_be_kept(plan):
        return ""
    try:
        return await keep_snapshot(site, spec, plan)
    except InvalidDocument as error:
        site.tell(Note(f"{error.message}: its steps of onRollback run in this run only"))
        return ""


async def snapshot_of(site: Site, run: Run, report: Report) -> str:
    """Keep the set of a run that succeeded; return what names it, empty for none.

    It is kept before the state names it, so no state ever names what is not there.
    """
    plan = run.plan
    has_hooks = bool(plan.hooks) and not plan.is_removal
    is_set = has_hooks or any(one.wanted for one in plan.changes)
    if report.outcome is not Outcome.SUCCEEDED or not is_set:
        return ""
    try:
        return await keep_snapshot(site, run.spec, plan)
    except InvalidDocument as error:
        # What was rolled out is live all the same.
        site.tell(Note(f"{error.message}: this revision cannot be gone back to"))
        return ""
