"""Whether the world still is what a saved plan was made for (VR-01 to VR-09).

Before: the source was rendered again, the state loaded, the live objects read; nothing was asked
of the server by dry runs.
After: what moved is told and refuses the plan; what is already so is only told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rollwright.rollouts.change import Change
from rollwright.rollouts.hooks.steps import again as hooked_again
from rollwright.rollouts.identity import RULES
from rollwright.rollouts.judging import judged
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.revisions.history import SUCCEEDED
from rollwright.rollouts.saved.basis import inventory_digest, spec_digests
from rollwright.rollouts.saved.objects import Moved, Scene, Verdict, verify_object
from rollwright.rollouts.saved.saved_plan import SavedPlan, map_changes, with_objects
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import Journal, Revision, RolloutState
from rollwright.rollouts.steps.resuming import passed_over

__all__ = ["Moved", "Now", "Verified", "differences", "is_own_run", "verify"]


@dataclass(frozen=True, kw_only=True)
class Now:
    """The world at the rollout.

    Attributes:
        spec: What is declared.
        site: Digests of what of the site decides.
        wanted: What the source renders to.
        live: What is in the cluster.
        state: What is remembered.
        at: The present instant.
    """

    spec: RolloutSpec
    site: Mapping[str, str]
    wanted: ManifestSet
    live: LiveSet
    state: RolloutState | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What became of a saved plan.

    Attributes:
        plan: The plan with the objects to send; what is already done is kept as it is.
        moved: What differs, whether it refuses the plan or not.
    """

    plan: Plan
    moved: tuple[Moved, ...]

    @property
    def stale(self) -> tuple[Moved, ...]:
        """What refuses the plan."""
        return tuple(one for one in self.moved if one.is_stale)


def differences(saved: SavedPlan, now: Now) -> tuple[Moved, ...]:
    """Return what differs from when the plan was made, each with its place and reason."""
    return verify(saved, now).moved


def verify(saved: SavedPlan, now: Now) -> Verified:
    """Compare everything, and return the plan as it can be carried out."""
    framed = (*_framing(saved, now), *_rendered(saved, now))
    if any(one.what == "cluster" for one in framed):
        # Every object of another cluster differs; to name them all would hide the reason.
        return Verified(plan=saved.plan, moved=framed)
    verdicts = tuple(_objects(saved, now))
    told = tuple(one.moved for one in verdicts if one.moved)
    moved = (*framed, *_remembered(saved, now), *told)
    return Verified(plan=_rebuilt(saved, now, verdicts), moved=moved)


def is_own_run(saved: SavedPlan, state: RolloutState | None) -> bool:
    """Whether all that was done since the plan was made is this very plan (VR-11)."""
    if state is None:
        return False
    since, journal = _since(saved, state), state.journal
    is_resumed = journal is not None and journal.plan_id == saved.id
    others = [one for one in since if one.plan_id != saved.id]
    return not others and (is_resumed or (bool(since) and journal is None))


def _since(saved: SavedPlan, state: RolloutState) -> tuple[Revision, ...]:
    return tuple(one for one in state.revisions if one.number > saved.basis.revision)


def _framing(saved: SavedPlan, now: Now) -> Iterator[Moved]:
    plan, live = saved.plan, now.live
    if now.at >= saved.expires_at:
        why = f"expired at {_time(saved.expires_at)}"
        yield Moved("plan", saved.id, why)
    if saved.basis.rules != RULES:
        why = f"was made by {saved.basis.made_by}, whose rules differ from those of this version"
        yield Moved("plan", saved.id, why)
    if plan.rollout != now.spec.name:
        yield Moved("plan", saved.id, f"is of rollout {plan.rollout!r}, not {now.spec.name!r}")
    if plan.cluster_id != live.cluster_id:
        why = f"is another cluster ({live.cluster_id}) than the plan was made for"
        yield Moved("cluster", live.cluster or "the target", f"{why} ({plan.cluster_id})")
    elif plan.server_version != live.server_version:
        why = f"was {plan.server_version} and is {live.server_version}"
        yield Moved("cluster version", live.cluster, why, is_stale=False)
    yield from _changed_parts("document", saved.basis.spec, spec_digests(now.spec))
    yield from _changed_parts("site", saved.basis.site, now.site)


def _changed_parts(
    what: str, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[Moved]:
    for key in sorted({*before, *after}):
        if key not in after:
            yield Moved(what, key, "is not there any more")
        elif key not in before:
            yield Moved(what, key, "was added")
        elif before[key] != after[key]:
            yield Moved(what, key, "was changed")


def _rendered(saved: SavedPlan, now: Now) -> Iterator[Moved]:
    if saved.plan.source != now.wanted.source:
        yield Moved("source", saved.plan.source, f"is now {now.wanted.source}")
    before = {one.ref: one for one in saved.basis.wanted}
    after = now.wanted.by_ref()
    for ref in sorted({*before, *after}):
        if ref not in after:
            yield Moved("rendered", str(ref), f"is not rendered any more ({before[ref].origin})")
        elif ref not in before:
            yield Moved("rendered", str(ref), f"is rendered now, too ({after[ref].origin})")
        elif before[ref].digest != after[ref].digest:
            yield Moved("rendered", str(ref), f"is rendered differently ({after[ref].origin})")
    same = before.keys() == after.keys() and all(
        before[ref].digest == after[ref].digest for ref in before
    )
    if same and saved.plan.wanted_digest != now.wanted.digest:
        yield Moved("rendered", "hooks", "are rendered differently")


def _remembered(saved: SavedPlan, now: Now) -> Iterator[Moved]:
    state, name = now.state, saved.plan.rollout
    if state is None:
        if saved.basis.revision or saved.basis.inventory:
            yield Moved("state", name, "nothing is remembered of it any more")
    elif is_own_run(saved, state):
        for one in _since(saved, state):
            yield Moved("state", name, f"this plan is {_named(one)}", is_stale=False)
    else:
        yield from _done_by_others(saved, state)


def _done_by_others(saved: SavedPlan, state: RolloutState) -> Iterator[Moved]:
    name, journal, since = saved.plan.rollout, state.journal, _since(saved, state)
    if journal is not None and journal.run_id != saved.basis.journal:
        yield Moved("state", name, f"{_begun(journal)} has not ended")
    for one in since:
        if one.plan_id != saved.id:
            yield Moved("state", name, f"since then there is {_named(one)}")
    if not since and inventory_digest(state) != saved.basis.inventory:
        yield Moved("state", name, "what is remembered of its objects was changed")


def _begun(journal: Journal) -> str:
    return f"run {journal.run_id} of {journal.owner}, begun {_time(journal.started_at)},"


def _named(one: Revision) -> str:
    by = f" by {one.actor}" if one.actor else ""
    return f"revision {one.number}, {one.outcome} at {_time(one.ended_at)}{by}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%SZ}"


def _objects(saved: SavedPlan, now: Now) -> Iterator[Verdict]:
    facts = {one.ref: one for one in saved.basis.live}
    scene = Scene(
        live=now.live,
        wanted=now.wanted.by_ref(),
        sent={one.ref: one for one in saved.basis.sent},
        state=now.state,
        made_at=saved.plan.made_at,
        is_own_run=is_own_run(saved, now.state),
    )
    for change in saved.plan.changes:
        yield verify_object(change, facts.get(change.ref), scene)


def _rebuilt(saved: SavedPlan, now: Now, verdicts: Iterable[Verdict]) -> Plan:
    """Return the plan with what a rollout makes anew, and what is known better by now."""
    state = now.state
    # NB: an object may be in several steps; the verdicts are in the order of the changes.
    each = iter(verdicts)

    def settled(change: Change) -> Change | None:
        verdict = next(each).change
        found = now.live.get(change.ref)
        if verdict is None or verdict.wanted is None or found is None:
            return verdict
        return judged(now.spec, verdict, verdict.wanted, found, now.live)

    remembered = state.by_ref if state else {}
    plan = map_changes(saved.plan, settled)
    plan = passed_over(with_objects(plan, now.wanted.by_ref()), state)
    plan = hooked_again(plan, now.wanted.hooks, state)
    return replace(
        plan,
        forgotten={ref: why for ref, why in plan.forgotten.items() if ref in remembered},
        kept={ref: why for ref, why in plan.kept.items() if ref in remembered},
        is_remembered=_is_remembered(plan, state),
        state_version=state.version if state else "",
        made_at=now.live.read_at,
        is_pinned=True,
    )


def _is_remembered(plan: Plan, state: RolloutState | None) -> bool:
    if state is None:
        return plan.is_remembered
    if state.journal is not None or state.removal is not None:
        return False
    if state.last is not None and state.last.outcome != SUCCEEDED:
        return False
    known = (state.by_ref[ref] for ref in plan.kept if ref in state.by_ref)
    return all(entry.why_kept for entry in known)
