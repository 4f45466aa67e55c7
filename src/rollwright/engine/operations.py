"""What people ask for, as functions: the library that the command line is a face of.

Before: a file, or a rollout's name.
After: values: a set of objects, a plan, a report, an overview.

Every function takes a ``Site``, so that one connection serves several of them; the public names
in ``rollwright`` make one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from uuid import uuid4

from rollwright.engine.approval.approval_notes import waiting_request
from rollwright.engine.custody.notes import forget_notes, is_notes, last_handled
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.inputs.rendering import nobody_to_ask, render_set
from rollwright.engine.inputs.renders import differing
from rollwright.engine.progress import ignore
from rollwright.engine.reading.drift import find_drift
from rollwright.engine.reading.read import read_live
from rollwright.engine.reading.statuses import judge_all
from rollwright.engine.removal.former_runs import remove_former_runs
from rollwright.engine.removal.moves import declared_spec
from rollwright.engine.removal.removing import plan_removal
from rollwright.engine.site import Site, actor_here
from rollwright.engine.stages import DIRECT, Stages
from rollwright.engine.stepping.answers import waiting_questions
from rollwright.engine.waiting.observe import options_of
from rollwright.engine.walk import carry_out, prepare, walk
from rollwright.engine.writing.applyset import remove_parent
from rollwright.errors import NotFound
from rollwright.plugins.contracts import LockRecord
from rollwright.rollouts.approving import is_overtaken
from rollwright.rollouts.drift.find import Drift
from rollwright.rollouts.health import HealthOptions
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.pruning.removal import WITHOUT_PROTECTION
from rollwright.rollouts.report import Outcome, Report
from rollwright.rollouts.spec import RolloutSpec, Target, Use
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.status import ObjectStatus, Status
from rollwright.rollouts.trigger import Trigger


def manual_trigger(rollout: str, *, kind: str = "manual", actor: str = "") -> Trigger:
    """Return the trigger of a run that somebody asked for now."""
    return Trigger(
        id=uuid4().hex,
        kind=kind,
        rollout=rollout,
        actor=actor or actor_here(),
        received_at=datetime.now(UTC),
    )


async def render(site: Site, rollout: LoadedRollout) -> ManifestSet:
    """Return the objects that a rollout declares; needs no cluster.

    Kinds that are neither built in nor defined by the set itself keep the namespace they name.
    """
    spec = rollout.spec
    checkout = await DIRECT.fetch(site, spec, manual_trigger(spec.name))
    return await render_set(site, spec, checkout, nobody_to_ask)


async def render_twice(site: Site, rollout: LoadedRollout) -> tuple[ManifestSet, tuple[str, ...]]:
    """Return the objects, rendered anew, and the names of those that differ a second time."""
    site.renders_anew = True
    first = await render(site, rollout)
    site.tell = ignore  # the same once more
    second = await render(site, rollout)
    return first, differing(_digests(first), _digests(second))


def _digests(wanted: ManifestSet) -> Mapping[str, str]:
    return {str(one.ref): one.digest for one in wanted}


async def plan(site: Site, rollout: LoadedRollout, stages: Stages = DIRECT) -> Plan:
    """Return what a rollout would change; changes nothing."""
    trigger = manual_trigger(rollout.spec.name)
    return (await prepare(rollout.spec, trigger, site, stages)).plan


async def roll_out(
    site: Site,
    rollout: LoadedRollout,
    stages: Stages = DIRECT,
    *,
    trigger: Trigger | None = None,
) -> Report:
    """Carry a rollout out and wait until everything is Current.

    Raises:
        Refused: A guard, a lock, or a world that moved on; nothing was changed.
        RolloutError: The plan could not be made; nothing was changed.
    """
    return await walk(rollout.spec, trigger or manual_trigger(rollout.spec.name), site, stages)


async def status(site: Site, name: str, *, cluster: str = "") -> Overview:
    """Return what is live of a rollout.

    Args:
        site: The installation.
        name: The rollout.
        cluster: A cluster of site.toml; empty for the current kubeconfig context.

    Raises:
        NotFound: Nothing is remembered of a rollout of that name there.
    """
    spec = named_spec(name, cluster)
    waiting = await waiting_request(site, spec)
    # A first run that waits for an approval has left nothing but its request.
    state = RolloutState(rollout=name) if waiting else None
    state = await (await site.store(spec)).load(name) or state or await remembered(site, spec)
    target = await site.cluster(spec)
    live = await read_live(target, name, ManifestSet(), state)
    judged = await judge_all(target, live, _options(site, name), live.read_at)
    refs = [entry.ref for entry in state.inventory]
    statuses = [judged.get(ref) or _gone(ref) for ref in refs if ref not in live.unreadable]
    return Overview(
        rollout=name,
        cluster=target.name,
        state=state,
        statuses=tuple(sorted(statuses, key=lambda one: (-one.status.severity, one.ref))),
        read_at=live.read_at,
        is_running=await _is_running(site, spec, state),
        waiting=None if waiting and is_overtaken(waiting, state) else waiting,
        questions=await waiting_questions(site, spec) if state.journal else (),
        handled_trigger=await last_handled(site, spec),
    )


async def _is_running(site: Site, spec: RolloutSpec, state: RolloutState) -> bool:
    journal = state.journal
    if journal is None:
        return False
    now = datetime.now(UTC)
    return any(
        (one.key, one.token) == (spec.name, journal.token)
        and (one.expires_at is None or one.expires_at > now)
        for one in await (await site.locks(spec)).list()
    )


async def drift(site: Site, name: str, *, cluster: str = "") -> Drift:
    """Return what in the cluster differs from the last rollout; changes nothing.

    Raises:
        NotFound: Nothing is remembered of a rollout of that name there.
    """
    spec = named_spec(name, cluster)
    return await find_drift(site, spec, await remembered(site, spec))


async def names(site: Site, *, cluster: str = "") -> tuple[str, ...]:
    """Return the names of all rollouts that are remembered for a cluster."""
    found = await (await site.store(named_spec("all", cluster))).list()
    return tuple(one for one in found if not is_notes(one))


async def locks(site: Site, *, cluster: str = "") -> tuple[LockRecord, ...]:
    """Return the locks that are held."""
    return await (await site.locks(named_spec("all", cluster))).list()


async def prepare_delete(site: Site, name: str, *, cluster: str = "", is_due: bool = False) -> Plan:
    """Return the plan that removes a rollout with all its objects; changes nothing.

    Args:
        site: The installation.
        name: The rollout.
        cluster: A cluster of site.toml; empty for the current kubeconfig context.
        is_due: Whether nobody confirms it: only what was marked goes, once its time is over.
    """
    spec = named_spec(name, cluster)
    removal = await plan_removal(site, spec, await remembered(site, spec), is_due=is_due)
    await DIRECT.show(site, removal)
    return removal


async def delete(
    site: Site, removal: Plan, *, cluster: str = "", asked_at: datetime | None = None
) -> Report:
    """Carry out the plan of ``prepare_delete``, then forget the rollout.

    Objects that could not be deleted keep the rollout remembered.

    Args:
        site: The installation.
        removal: The plan.
        cluster: A cluster of site.toml; empty for the current kubeconfig context.
        asked_at: When it was asked for, by default now: what triggers asked for since then stays
            noted, and is run.

    Raises:
        Refused: The state moved on since, or another run holds the lock.
    """
    spec = with_declared_health(site, named_spec(removal.rollout, cluster))
    trigger = manual_trigger(removal.rollout, kind="delete")
    asked_at = asked_at or datetime.now(UTC)
    report = await carry_out(spec, removal, trigger, site, DIRECT)
    if report.outcome is Outcome.SUCCEEDED and not report.failures and not removal.kept:
        store = await site.store(spec)
        state = await store.load(removal.rollout)
        if state is not None and not state.inventory:
            await remove_former_runs(await site.cluster(spec), spec.name)
            await remove_parent(site, spec, state)
            await store.delete(removal.rollout, after=state.version)
            await forget_notes(site, spec, since=asked_at)
    return report


def with_declared_health(site: Site, spec: RolloutSpec) -> RolloutSpec:
    """Return the spec with the waits of the site's document of that name, if there is one."""
    declared = declared_spec(site, spec.name)
    return spec if declared is None else spec.model_copy(update={"health": declared.health})


def named_spec(name: str, cluster: str = "") -> RolloutSpec:
    """Return the spec of a rollout of which only the name is known."""
    return RolloutSpec(
        name=name,
        source=Use(name="path", options={"path": "."}),
        target=Target(cluster=cluster),
        prune=WITHOUT_PROTECTION,
    )


async def remembered(site: Site, spec: RolloutSpec) -> RolloutState:
    """Return the state of a rollout.

    Raises:
        NotFound: Nothing is remembered of it; the nearest names are told.
    """
    store = await site.store(spec)
    state = await store.load(spec.name)
    if state is None:
        found = await store.list()
        known = _nearest(spec.name, tuple(one for one in found if not is_notes(one)))
        where = spec.target.cluster or "the current context"
        raise NotFound(f"no rollout {spec.name!r} in {where}; known: {known}")
    return state


def _nearest(name: str, known: tuple[str, ...]) -> str:
    """Return the names that somebody may have meant, and how many more there are."""
    shown = get_close_matches(name, known, n=3, cutoff=0.3) or list(known[:3])
    rest = len(known) - len(shown)
    return (", ".join(shown) or "none") + (f" and {rest} more" if rest else "")


def _options(site: Site, name: str) -> HealthOptions:
    rollout = site.rollout
    if rollout is not None and rollout.spec.name == name:
        return options_of(rollout.spec)
    return options_of(named_spec(name))


def _gone(ref: ObjectRef) -> ObjectStatus:
    return ObjectStatus(
        ref=ref, status=Status.NOT_FOUND, reason="NotFound", message="does not exist"
    )
