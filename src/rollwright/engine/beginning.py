"""The stage that begins a run: the journal is opened before any object is written.

Before: the plan may be carried out, and the lock is ours.
After: ``carrying`` carries out its waves.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from functools import partial

from rollwright.engine.approval.approval_notes import consume, decision_to_use
from rollwright.engine.approval.permitting import needs_word
from rollwright.engine.custody.keys import AskSalt
from rollwright.engine.custody.lock_audit import with_takeover
from rollwright.engine.progress import Note, StageBegan
from rollwright.engine.reading.read import read_live as read_cluster
from rollwright.engine.removal.removing import unmark
from rollwright.engine.returning.revisions import keep_left
from rollwright.engine.run import Run, steady_clock
from rollwright.engine.site import Site
from rollwright.engine.waiting.observe import Observer
from rollwright.engine.writing.applyset import fence_off
from rollwright.errors import Refused
from rollwright.plugins.contracts import Cluster, Lock
from rollwright.rollouts.approving import with_decision
from rollwright.rollouts.bookkeeping import open_run
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.premises import find_moved
from rollwright.rollouts.revisions.holding import refuse_held
from rollwright.rollouts.salting import resalted
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import Journal, RolloutState
from rollwright.rollouts.steps.resuming import going_on
from rollwright.rollouts.trigger import Trigger

VERIFIED_AFTER = timedelta(seconds=2)
"""A plan older than this is compared with the cluster again before the first write."""


async def begin(site: Site, spec: RolloutSpec, plan: Plan, trigger: Trigger, lock: Lock) -> Run:
    """Open the journal and widen the inventory, before any object is written.

    Raises:
        Refused: The state moved on since the plan was made.
    """
    site.tell(StageBegan("begin"))
    store, cluster = await site.store(spec), await site.cluster(spec)
    state = await store.load(spec.name)
    refuse_held(spec.name, state, plan)
    _refuse_outdated(plan, state, lock)
    await _refuse_moved(cluster, plan, state, partial(site.salt, spec))
    is_asked = needs_word(spec, plan)
    decision = await decision_to_use(site, spec, plan) if is_asked else None
    plan = resalted(plan, salt := await site.keep_salt(spec))
    if state is not None and state.journal is not None:
        # Whoever opened it would hold the lock that is ours now.
        site.tell(Note(f"run {state.journal.run_id} was interrupted; this one goes on from there"))
    journal = _journal_of(plan, trigger, lock, state)
    lock.check()
    if state is not None and state.removal is not None and not plan.is_removal:
        await unmark(site, spec, state, lock)
    left = await keep_left(site, spec, plan)
    opened = with_decision(open_run(state, plan, journal, left=left), decision)
    opened = with_takeover(opened, lock, journal, site.tell)
    fence = await fence_off(site, spec, plan, lock, before=state, after=opened)
    saved = await store.save(opened, after=plan.state_version)
    if is_asked:
        await consume(site, spec, plan)
    now = steady_clock()
    observer = Observer(cluster, spec, tell=site.tell, now=now)
    observer.hide(change.wanted.body for change in plan.changes if change.wanted)
    observer.expect((change.api_version, change.ref) for change in plan.changes)
    return Run(
        id=journal.run_id, spec=spec, plan=plan, state=saved, lock=lock, cluster=cluster, store=store,
        observer=observer, fence=fence, tell=site.tell, now=now, salt=salt, site=site,
        goes_on_from=journal.goes_on_from,
    )  # fmt: skip


def _refuse_outdated(plan: Plan, state: RolloutState | None, lock: Lock) -> None:
    if (state.version if state else "") != plan.state_version:
        outdated = Refused(
            f"{plan.rollout}: another run changed the state since the plan was made",
            hint="make a new plan",
        )
        outdated.wants_plan = True
        raise outdated
    if state is not None and state.token > lock.token:
        raise Refused(
            f"{plan.rollout}: a run with a later lock ({state.token}) wrote the state; ours is"
            f" {lock.token}",
            hint="make a new plan; see `rollwright locks` for who is at work",
        )


def _journal_of(plan: Plan, trigger: Trigger, lock: Lock, state: RolloutState | None) -> Journal:
    return Journal(
        run_id=uuid.uuid4().hex[:12],
        plan_id=plan.id,
        owner=trigger.actor,
        token=lock.token,
        started_at=datetime.now(UTC),
        planned=tuple(change.ref for change in plan.changes if change.writes),
        digest=plan.wanted_digest,
        source=plan.source,
        rolled_back_to=plan.rollback.revision if plan.rollback else 0,
        url=trigger.url,
        **going_on(state, plan),
    )


async def _refuse_moved(
    cluster: Cluster, plan: Plan, state: RolloutState | None, ask_salt: AskSalt
) -> None:
    """Look again at what is going to be written, if the plan has grown old meanwhile.

    A plan is carried out at once when nobody had to be asked or waited for: reading everything
    a second time would find nothing, and cost as much as the first.
    """
    if datetime.now(UTC) - plan.made_at < VERIFIED_AFTER:
        return
    wanted = ManifestSet(tuple(change.wanted for change in plan.changes if change.wanted))
    live = await read_cluster(cluster, plan.rollout, wanted, state, ask_salt)
    moved = find_moved(plan, live)
    if moved:
        raise Refused(
            f"{plan.rollout}: the cluster is not as it was when the plan was made:"
            f" {'; '.join(moved)}",
            hint="make a new plan",
        )
