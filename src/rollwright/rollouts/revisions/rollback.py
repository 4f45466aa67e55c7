"""From the set of a former revision to the plan that brings it back.

Before: a run failed, was killed, or somebody asked; the snapshot was read, and what is live.
After: the plan is carried out like any other: same diff, same guards (RB-02).

CRDs are left as they are, because objects may be stored in a version that only the newer one
knows; what volumes hold never goes back (RB-03).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rollwright.errors import InvalidSpec, Refused
from rollwright.rollouts.candidates import candidates
from rollwright.rollouts.change import Forecast
from rollwright.rollouts.hooks.steps import with_rollback_hooks
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef, digest_of
from rollwright.rollouts.order.kinds import CRD
from rollwright.rollouts.plan import Plan, Rollback, Wave
from rollwright.rollouts.planning import make_plan
from rollwright.rollouts.premises import is_crd
from rollwright.rollouts.revisions.history import last_success
from rollwright.rollouts.revisions.holding import hold_after, with_hold
from rollwright.rollouts.spec import OnFailure, OnInterrupted, RolloutSpec
from rollwright.rollouts.state import Revision, RolloutState
from rollwright.rollouts.steps.course import Course, chart
from rollwright.rollouts.steps.resuming import had_turned_back

WHY_CRD_STAYS = "CRDs are not rolled back: it stays as it is"
_WITH_VOLUMES = frozenset({"PersistentVolumeClaim", "StatefulSet"})
_POLICIES = (
    "apply", "prune", "retain", "approval", "windows", "suspend", "on_failure", "on_interrupted",
)  # fmt: skip


def spec_to_go_back(
    kept: RolloutSpec | None, now: RolloutSpec, *, is_declared: bool = True
) -> RolloutSpec:
    """Return the spec of a rollback: what the revision declared, under today's policies.

    Args:
        kept: What declared the revision; ``None`` where it was not kept.
        now: What the site declares today, or only the name and the cluster.
        is_declared: Whether ``now`` is a document of the site; otherwise the kept policies hold.
    """
    if kept is None:
        return now
    target = kept.target.model_copy(update={"cluster": now.target.cluster})
    policies = {name: getattr(now, name) for name in _POLICIES} if is_declared else {}
    return kept.model_copy(update={"target": target, **policies})


def crds_left_alone(
    wanted: ManifestSet, live: LiveSet, state: RolloutState | None
) -> frozenset[ObjectRef]:
    """Return the set's CRDs that exist and are not as the revision had left them."""
    crds = ManifestSet(tuple(one for one in wanted if is_crd(one.body) and live.get(one.ref)))
    return frozenset(one.ref for one in candidates(crds, live, state))


def set_to_bring_back(
    wanted: ManifestSet, live: LiveSet, state: RolloutState | None, number: int
) -> ManifestSet:
    """Return what of a former set comes back: everything but the CRDs that exist.

    Raises:
        Refused: Then nothing is left.
    """
    left = crds_left_alone(wanted, live, state)
    rest = ManifestSet(tuple(one for one in wanted if one.ref not in left), wanted.source)
    if not len(rest):
        raise Refused(
            f"revision {number} holds nothing but CRDs, and these are not rolled back",
            hint="apply the CRDs that you want as a new revision of the source",
        )
    return rest


def make_rollback(  # noqa: PLR0913  (all that decides about a plan)
    spec: RolloutSpec,
    wanted: ManifestSet,
    live: LiveSet,
    forecast: Mapping[ObjectRef, Forecast],
    state: RolloutState,
    back: Rollback,
    *,
    course: Course | None = None,
    left: Sequence[Manifest] = (),
    undo: tuple[Wave, ...] = (),
) -> Plan:
    """Return the plan that brings a former set back.

    Args:
        spec: What ``spec_to_go_back`` gave.
        wanted: The whole set of the revision.
        live: What is in the cluster of it, and of the inventory.
        forecast: The server's answers for the candidates of ``set_to_bring_back``.
        state: What is remembered.
        back: Which revision, and why.
        course: What ``course_back`` gave.
        left: Hooks of the revision that is left.
        undo: Its steps for a rollback.
    """
    rest = set_to_bring_back(wanted, live, state, back.revision)
    spec = _sparing_crds(spec, wanted, state)
    if course is None:
        spec = spec.model_copy(update={"groups": ()})
    plan = make_plan(spec, rest, live, forecast, state, course=course)
    kept = {ref: WHY_CRD_STAYS if ref.group_kind == CRD else why for ref, why in plan.kept.items()}
    plan = replace(
        plan,
        kept=kept,
        rollback=back,
        undo=undo,
        wanted_digest=wanted.digest,
        notes=(*plan.notes, *_notes(plan)),
    )
    plan = with_hold(plan, state)
    changes_hold = hold_after(state, plan, actor="", at=live.read_at) is not state
    plan = replace(plan, is_remembered=plan.is_remembered and not changes_hold)
    return with_rollback_hooks(_with_undo_id(plan), wanted.hooks, left, state)


def _with_undo_id(plan: Plan) -> Plan:
    """Return a plan whose id covers the steps that undo; that of one without any stays."""
    if not plan.undo:
        return plan
    steps = [[step.name, step.digest] for wave in plan.undo for step in wave.steps]
    return replace(plan, id=digest_of([plan.id, steps]))


def course_back(
    spec: RolloutSpec, wanted: ManifestSet, rest: ManifestSet
) -> tuple[Course | None, str]:
    """Return the groups of a former revision, or why they cannot be followed.

    Actions of plugins are left out: a migration is not run again because one goes back.

    Args:
        spec: What ``spec_to_go_back`` gave.
        wanted: The whole set of the revision.
        rest: What of it comes back.
    """
    try:
        course = chart(spec, wanted)
    except InvalidSpec as error:
        return None, f"its groups do not fit the objects that come back: {error.problems[0]}"
    if course is None:
        return None, ""
    return replace(course.keeping(rest.by_ref()), is_back=True), ""


def _sparing_crds(spec: RolloutSpec, wanted: ManifestSet, state: RolloutState) -> RolloutSpec:
    """Protect the CRDs that a newer revision added, if today's policy would let them go."""
    is_newer = any(
        one.ref.group_kind == CRD and one.ref not in wanted.by_ref() for one in state.inventory
    )
    if not is_newer or CRD[1] in spec.prune.protect:
        return spec
    prune = spec.prune.model_copy(update={"protect": (*spec.prune.protect, CRD[1])})
    return spec.model_copy(update={"prune": prune})


def _notes(plan: Plan) -> tuple[str, ...]:
    has_volumes = any(one.writes and one.ref.kind in _WITH_VOLUMES for one in plan.changes)
    return ("what volumes hold is not rolled back",) if has_volumes else ()


def revision_to_return_to(state: RolloutState, bad_digest: str) -> tuple[Revision | None, str]:
    """Return the revision to go back to by itself, or why there is none.

    A set that succeeded before and fails now is not at fault: nothing is gained by leaving it.
    """
    target = last_success(state)
    if target is None:
        return None, "there is no earlier success to go back to"
    if target.digest == bad_digest:
        return None, f"revision {target.number}, the last success, has the same objects"
    return target, ""


def must_go_back_first(spec: RolloutSpec, state: RolloutState | None, plan: Plan) -> bool:
    """Whether a killed run is to be undone before anything else (ST-14).

    Only while the source still renders what that run was about: a new source just goes on. A
    rollback that was killed is always brought to its end, and so is a run that had failed and
    begun to undo what it did.
    """
    if state is None or state.journal is None or plan.rollback is not None:
        return False
    journal, hold = state.journal, state.hold
    if hold is not None and hold.is_total:
        return False
    if journal.rolled_back_to:
        return hold is not None and plan.wanted_digest in hold.bad_digests
    if had_turned_back(journal):
        return spec.on_failure is OnFailure.ROLLBACK and journal.digest == plan.wanted_digest
    is_asked = spec.on_interrupted is OnInterrupted.ROLLBACK
    return is_asked and bool(journal.digest) and journal.digest == plan.wanted_digest
