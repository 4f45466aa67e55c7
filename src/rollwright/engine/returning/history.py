"""What people ask of former revisions: which there were, how two differ, go back to one.

Before: a rollout's name. After: values: a history, a difference, a plan, a report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rollwright.engine.approval.approval_notes import agree
from rollwright.engine.operations import manual_trigger, named_spec, remembered
from rollwright.engine.returning.revisions import load_record
from rollwright.engine.returning.rollback import KIND, plan_back, rollback_to
from rollwright.engine.site import Site, actor_here
from rollwright.engine.stages import DIRECT, Stages
from rollwright.engine.walk import carry_out
from rollwright.errors import NotFound
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.hooks.steps import put_together
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Report
from rollwright.rollouts.revisions.history import (
    History,
    RevisionDiff,
    compare_sets,
    find_revision,
    history_of,
    last_success,
    left_digest,
    previous,
)
from rollwright.rollouts.revisions.holding import refuse_held
from rollwright.rollouts.revisions.rollback import spec_to_go_back
from rollwright.rollouts.spec import PrunePolicy, RolloutSpec
from rollwright.rollouts.state import Revision, RolloutState


@dataclass(frozen=True, kw_only=True)
class PreparedRollback:
    """The plan of a rollback, the spec it is carried out by, and what was remembered."""

    plan: Plan
    spec: RolloutSpec
    state: RolloutState


async def history(site: Site, name: str, *, cluster: str = "") -> History:
    """Return what is remembered of the runs of a rollout.

    Raises:
        NotFound: Nothing is remembered of a rollout of that name there.
    """
    spec = named_spec(name, cluster)
    state = await remembered(site, spec)
    return history_of(state, (await site.cluster(spec)).name)


async def diff(
    site: Site, name: str, old: int, new: int | None = None, *, cluster: str = ""
) -> RevisionDiff:
    """Return how one revision differs from another.

    Args:
        site: The installation.
        name: The rollout.
        old: Number of the one.
        new: Number of the other; the last success by default.
        cluster: A cluster of site.toml; empty for the current kubeconfig context.

    Raises:
        NotFound: There is no such revision, or its objects are not kept.
    """
    spec = named_spec(name, cluster)
    state = await remembered(site, spec)
    if new is None:
        new = _success(state).number
    one, other = [await load_record(site, spec, state, number) for number in (old, new)]
    return RevisionDiff(
        rollout=name,
        cluster=(await site.cluster(spec)).name,
        old=one.revision,
        new=other.revision,
        objects=compare_sets(
            put_together(one.wanted), put_together(other.wanted), salt=await site.salt(spec)
        ),
    )


def _success(state: RolloutState) -> Revision:
    if (found := last_success(state)) is not None:
        return found
    raise NotFound(f"{state.rollout}: no revision has succeeded yet")


async def prepare_rollback(  # noqa: PLR0913  (what one may say of a rollback)
    site: Site,
    name: str,
    *,
    to: int | None = None,
    declared: RolloutSpec | None = None,
    cluster: str = "",
    reason: str = "",
    stages: Stages = DIRECT,
) -> PreparedRollback:
    """Return the plan that brings a former revision back; changes nothing.

    Args:
        site: The installation.
        name: The rollout.
        to: Number of the revision; by default the last success before the current one.
        declared: What the site declares today: its policies hold, not those of the revision.
        cluster: A cluster of site.toml; empty for the current kubeconfig context.
        reason: Why, for those who ask later.
        stages: The stages of the run.

    Raises:
        NotFound: There is no such revision, or its objects are not kept.
        RolloutError: The plan cannot be made; nothing was changed.
    """
    now = _spec_today(name, cluster, declared)
    await remembered(site, now)
    state = await stages.load_state(site, now)
    if state is None:
        raise NotFound(f"no rollout {name!r} is remembered")
    record = await load_record(site, now, state, _target(state, to).number)
    spec = spec_to_go_back(record.spec, now, is_declared=declared is not None)
    number = record.revision.number
    why = f"rolled back to revision {number}" + (f": {reason}" if reason else "")
    back = rollback_to(record, reason=why, bad=(left_digest(state), _source(state)))
    plan = await plan_back(site, spec, state, back, stages)
    return PreparedRollback(plan=plan, spec=spec, state=state)


def _spec_today(name: str, cluster: str, declared: RolloutSpec | None) -> RolloutSpec:
    if declared is None:
        return named_spec(name, cluster).model_copy(update={"prune": PrunePolicy()})
    target = declared.target.model_copy(update={"cluster": cluster or declared.target.cluster})
    return declared.model_copy(update={"target": target})


def _target(state: RolloutState, to: int | None) -> Revision:
    found = previous(state) if to is None else find_revision(state, to)
    if found is not None:
        return found
    raise NotFound(
        f"{state.rollout}: there is no earlier success with other objects",
        hint=f"`rollwright history {state.rollout}` shows the revisions; name one with --to",
    )


def _source(state: RolloutState) -> str:
    if state.journal is not None and state.journal.source:
        return state.journal.source
    return state.last.source if state.last else ""


async def roll_back(
    site: Site,
    prepared: PreparedRollback,
    *,
    actor: str = "",
    stages: Stages = DIRECT,
    url: str = "",
) -> Report:
    """Carry out the plan of ``prepare_rollback``, if guards and approvals allow it.

    Args:
        site: The installation.
        prepared: The plan, and what it was made of.
        actor: Who asked; whoever runs this process if empty.
        stages: The stages of the run.
        url: Of a page about the run.

    Raises:
        Refused: A guard, an approval, a hold, a lock, or a world that moved on; nothing was
            changed.
    """
    plan, spec = prepared.plan, prepared.spec
    by_hand = manual_trigger(spec.name, kind=KIND, actor=actor or actor_here())
    trigger = replace(by_hand, url=url)
    refuse_held(spec.name, prepared.state, plan)
    if plan.is_done:
        return await stages.tell(site, conclude(plan, trigger, (), calls=await site.calls(spec)))
    await agree(site, spec, plan, trigger, stages.approve)
    return await carry_out(spec, plan, trigger, site, stages)
