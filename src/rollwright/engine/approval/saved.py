"""Plans that are kept in a file: made now, carried out later, perhaps on another machine.

Before: ``plan --save`` or ``rollout --plan``.
After: a file; or the report of a run that did exactly what the file says, or a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from rollwright.engine.approval.approval_notes import agree
from rollwright.engine.approval.sealed_lookups import facts_of, has_secret_answers, record_of
from rollwright.engine.carrying import nothing_begun
from rollwright.engine.course import find_course
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.inputs.chart_lookups import Record
from rollwright.engine.operations import manual_trigger
from rollwright.engine.progress import Note, StageBegan
from rollwright.engine.reading.permissions import telling_rights
from rollwright.engine.reading.read import read_live as read_cluster
from rollwright.engine.reading.statuses import with_contexts
from rollwright.engine.site import Site, actor_here
from rollwright.engine.site_file import ClusterEntry
from rollwright.engine.stages import DIRECT, Stages
from rollwright.engine.waiting.observe import options_of
from rollwright.engine.walk import Prepared, carry_out, prepare
from rollwright.engine.writing.applyset import check_parent
from rollwright.errors import Refused
from rollwright.rollouts.blast import with_blast
from rollwright.rollouts.change import Change
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.identity import identify
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet, digest_of
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Report
from rollwright.rollouts.revisions.holding import GUARDS, refuse_held, with_hold
from rollwright.rollouts.salting import has_secrets
from rollwright.rollouts.saved.basis import basis_of
from rollwright.rollouts.saved.objects import whole
from rollwright.rollouts.saved.saved_plan import (
    SavedPlan,
    is_shown,
    map_changes,
    save,
    with_objects,
)
from rollwright.rollouts.saved.verification import Moved, Now, verify
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.steps.course import declared
from rollwright.rollouts.trigger import Trigger

REASONS_SHOWN = 20
"""Reasons of a refusal that its message lists."""

_WHO_REACHES = frozenset({"block", "kubeconfig", "qps", "labels"})
"""Of a cluster's entry: how this machine reaches it. The cluster itself is known by its UID."""

UNKNOWN = "BR-10"
"""The guard that stands for an unknown count; it is added after the plan has its id."""

_HINT = "make a new plan with `rollwright plan --save`, and look at it again"


async def save_plan(
    site: Site,
    rollout: LoadedRollout,
    stages: Stages = DIRECT,
    *,
    trigger: Trigger | None = None,
) -> SavedPlan:
    """Make the plan of a rollout as what a file holds; changes nothing in the cluster's objects.

    Raises:
        RolloutError: The plan cannot be made.
    """
    trigger = trigger or manual_trigger(rollout.spec.name)
    prepared = await prepare(rollout.spec, trigger, site, stages)
    return await saved_of(site, rollout.spec, prepared, reason=trigger.kind)


async def saved_of(
    site: Site, spec: RolloutSpec, prepared: Prepared, *, reason: str = "manual"
) -> SavedPlan:
    """Return a plan that was made just now as what a file holds.

    If Secrets are among its objects, the key of their digests is kept from now on: whoever
    carries the plan out has to find the same digests.
    """
    spec = prepared.spec  # with the groups that came with the objects
    plan, wanted, live = prepared.plan, prepared.wanted, prepared.live
    refs = (*(one.ref for one in plan.changes), *(one.ref for one in plan.hooks))
    looked_up, has_sealed = site.looked_up, has_secret_answers(site.looked_up)
    if has_sealed or has_secrets((*live.objects, *refs)):
        await _keep_key(site, spec)
    # A hold is looked at when the plan is carried out.
    plan = replace(plan, guards=tuple(one for one in plan.guards if one.id not in GUARDS))
    sources = (wanted, live, prepared.state)
    made_by = f"rollwright {version('rollwright')}"
    basis = basis_of(plan, spec, site_digests(site, spec), sources, made_by)
    salt = await site.salt(spec) if has_sealed else ""
    basis = replace(basis, lookups=facts_of(looked_up, salt))
    return save(plan, basis, created_by=actor_here(), reason=reason)


async def _keep_key(site: Site, spec: RolloutSpec) -> None:
    used = await site.salt(spec)
    if await site.keep_salt(spec) != used:
        raise Refused(
            f"{spec.name}: another run made the key of this installation meanwhile",
            hint="make the plan again",
        )


async def roll_out_saved(
    site: Site,
    rollout: LoadedRollout,
    saved: SavedPlan,
    stages: Stages = DIRECT,
    *,
    trigger: Trigger | None = None,
) -> Report:
    """Carry out exactly a saved plan, without asking the server to predict anything again.

    A run of the same plan that broke off is resumed; one that ended well is only verified.

    Raises:
        Refused: Something differs from when the plan was made; nothing was changed.
        RolloutError: The source cannot be rendered, or the cluster not be read.
    """
    spec, trigger = rollout.spec, trigger or manual_trigger(rollout.spec.name)
    spec, state, plan = await _verified(site, spec, saved, stages, trigger)
    refuse_held(spec.name, state, plan)
    plan = with_hold(plan, state)
    with nothing_begun():
        await check_parent(site, spec, plan)
    await stages.show(site, plan)
    if plan.is_done:
        return await stages.tell(site, conclude(plan, trigger, (), calls=await site.calls(spec)))
    await agree(site, spec, plan, trigger, stages.approve)
    return await carry_out(spec, plan, trigger, site, stages)


async def _verified(
    site: Site, spec: RolloutSpec, saved: SavedPlan, stages: Stages, trigger: Trigger
) -> tuple[RolloutSpec, RolloutState | None, Plan]:
    with nothing_begun():
        source = await stages.fetch(site, spec, trigger)
        site.recorded = await _record(site, spec, saved)
        try:
            wanted = await stages.render(site, spec, source, trigger)
        finally:
            site.recorded = {}
        spec = declared(spec, wanted)
        find_course(site, spec, wanted)
        state = await stages.load_state(site, spec)
        async with telling_rights(await site.cluster(spec), spec, wanted, state):
            live = await _read(site, spec, wanted, state)
    now = Now(
        spec=spec,
        site=site_digests(site, spec),
        wanted=wanted,
        live=live,
        state=state,
        at=datetime.now(UTC),
    )
    verified = verify(saved, now)
    if verified.stale:
        raise _refusal(spec, saved, verified.stale)
    _check_identity(spec, saved, wanted, live)
    for one in verified.moved:
        site.tell(Note(str(one)))
    return spec, state, verified.plan


async def _record(site: Site, spec: RolloutSpec, saved: SavedPlan) -> Record:
    """Return what charts looked up when the plan was made: they find the same again (RE-15)."""
    lookups = saved.basis.lookups
    salt = await site.salt(spec) if any(one.sealed for one in lookups) else ""
    return record_of(lookups, salt)


async def _read(
    site: Site, spec: RolloutSpec, wanted: ManifestSet, state: RolloutState | None
) -> LiveSet:
    """Read the live objects; whatever is wrong with them shows as a difference."""
    site.tell(StageBegan("read"))
    cluster = await site.cluster(spec)
    live = await read_cluster(cluster, spec.name, wanted, state, partial(site.salt, spec))
    return await with_contexts(cluster, live, options_of(spec))


def _check_identity(
    spec: RolloutSpec, saved: SavedPlan, wanted: ManifestSet, live: LiveSet
) -> None:
    """Refuse a file whose content is not what its id and its readable part say (VR-01)."""
    sent = {one.ref: one for one in saved.basis.sent}

    def filled(change: Change) -> Change:
        return whole(change, wanted.by_ref(), sent.get(change.ref), live)

    plan = with_objects(map_changes(saved.plan, filled), wanted.by_ref())
    found = identity_of(plan, spec)
    if found != saved.id:
        raise Refused(f"{spec.name}: plan {saved.id} holds another plan, {found}", hint=_HINT)
    if not is_shown(saved):
        raise Refused(f"{spec.name}: plan {saved.id} does not do what it shows", hint=_HINT)


def identity_of(plan: Plan, spec: RolloutSpec) -> str:
    """Return the id of a plan made anew of its content, with what is unknown of its deletions."""
    known = replace(plan, guards=tuple(one for one in plan.guards if one.id != UNKNOWN))
    return with_blast(replace(known, id=identify(known, spec)), plan.blast).id


def _refusal(spec: RolloutSpec, saved: SavedPlan, moved: tuple[Moved, ...]) -> Refused:
    lines = [f"  {one}" for one in moved[:REASONS_SHOWN]]
    if (more := len(moved) - REASONS_SHOWN) > 0:
        lines.append(f"  and {more} more")
    listed = "\n".join(lines)
    return Refused(
        f"{spec.name}: the world no longer is what plan {saved.id} was made for:\n{listed}",
        hint=_HINT,
    )


def site_digests(site: Site, spec: RolloutSpec) -> Mapping[str, str]:
    """Return a digest for each part of the site that decides what a rollout does."""
    file, name = site.loaded.file, spec.target.cluster
    entry = file.clusters.get(name, ClusterEntry()).model_dump(
        mode="json", exclude=set(_WHO_REACHES)
    )
    parts = {
        "site.name": file.site.name,
        f"clusters.{name}" if name else "clusters": entry,
        "stores.default": file.stores["default"].model_dump(mode="json"),
        "locks.default": file.locks["default"].model_dump(mode="json"),
        "plugins": file.plugins.model_dump(mode="json"),
    }
    looked_up = site.configured.premises if site.configured else {}
    return {key: digest_of(value) for key, value in parts.items()} | dict(looked_up)
