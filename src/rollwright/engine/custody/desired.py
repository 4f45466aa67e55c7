"""The desired revision of a rollout: moved by triggers, read by runs.

Before: a receiver, a schedule or a person says that a rollout is to be looked at.
After: a run that something newer has overtaken makes way, before it begins or while it waits.

Fifty triggers move the pointer fifty times; of their runs, the one that is at work and the last
one are carried out, and the others end as superseded (TR-09, TR-10).

Runs that a person starts here, from the command line or from Python, are newer than everything
before them, and nothing overtakes them: whoever sits before a run decides about it. They move
the pointer under their lock, as they begin to write, and only where there is one: a run that
changes nothing must write nothing (RC-02), and who has no automation pays for none. A flow run is
an order that waits in a queue, whoever placed it, so flows move the pointer when they start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import orjson

from rollwright.engine.custody.notes import Notes, change_notes, read_notes
from rollwright.engine.progress import Note
from rollwright.engine.run import Run
from rollwright.engine.site import Site
from rollwright.errors import InvalidDocument, RolloutError
from rollwright.rollouts.concluding import conclude, superseded
from rollwright.rollouts.desired import (
    BY_HAND,
    Desired,
    desired_form,
    is_known,
    is_overtaken,
    moved,
    read_desired_form,
)
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Report
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.trigger import Trigger

KIND = "desired"
"""The kind of note that holds the pointer."""

LOOK_SECONDS = 2.0
"""How often a run that waits looks whether it still has to."""


async def read_desired(site: Site, spec: RolloutSpec) -> Desired | None:
    """Return the desired revision; ``None`` if no trigger has said one."""
    return _desired_of(await read_notes(site, spec), spec)


async def move_desired(site: Site, spec: RolloutSpec, trigger: Trigger) -> Desired:
    """Move the desired revision to a trigger; return what is desired now.

    A trigger that has, or had, the pointer does not move it: a delivery that comes twice, and a
    run that is tried again, are the same trigger.

    Raises:
        StateConflict: Others moved it at the same time, again and again.
    """

    def change(notes: Notes) -> Notes:
        before = _desired_of(notes, spec)
        after = moved(before, trigger)
        if after == before:
            return notes
        return {**notes, KIND: orjson.dumps(desired_form(after)).decode()}

    desired = _desired_of(await change_notes(site, spec, change), spec)
    return desired or moved(None, trigger)


async def in_order(site: Site, spec: RolloutSpec, trigger: Trigger) -> Trigger:
    """Return the trigger with its place in the order, after the pointer was moved to it."""
    if trigger.sequence:
        return trigger
    desired = await move_desired(site, spec, trigger)
    is_newest = desired.trigger == trigger.id
    return replace(trigger, sequence=desired.sequence) if is_newest else trigger


async def superseded_by(site: Site, spec: RolloutSpec, trigger: Trigger) -> Desired | None:
    """Return what is desired now if that is newer than what a trigger asked for."""
    desired = await read_desired(site, spec)
    return desired if desired is not None and is_overtaken(trigger, desired) else None


def is_free(trigger: Trigger) -> bool:
    """Whether nothing overtakes a run: a person started it here."""
    return trigger.kind in BY_HAND and not trigger.sequence


async def overtaken_before(site: Site, spec: RolloutSpec, trigger: Trigger) -> Desired | None:
    """Return what overtook a run under its lock, before anything is written.

    A run that a person started here takes the pointer instead.
    """
    desired = await read_desired(site, spec)
    if desired is None:
        return None
    if is_overtaken(trigger, desired):
        return desired
    if is_free(trigger) and not is_known(desired, trigger):
        await move_desired(site, spec, trigger)
    return None


def made_way(
    spec: RolloutSpec, trigger: Trigger, newer: Desired, plan: Plan | None = None
) -> Report:
    """Return the record of a run that was overtaken before it began."""
    empty = Plan(
        id="",
        rollout=spec.name,
        cluster=spec.target.cluster,
        cluster_id="",
        source="",
        waves=(),
        made_at=datetime.now(UTC),
    )
    return superseded(conclude(plan or empty, trigger, ()), str(newer))


@asynccontextmanager
async def giving_way(run: Run, site: Site, trigger: Trigger) -> AsyncIterator[None]:
    """Stop the run while it waits, as soon as something newer is desired (TR-10).

    A write is never cut off for it, nor are those that can follow at once; and what goes back to
    a former revision does so to its end.
    """
    if is_free(trigger) or run.plan.rollback is not None:
        yield
        return
    task = asyncio.create_task(_look_until_overtaken(run, site, trigger))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _look_until_overtaken(run: Run, site: Site, trigger: Trigger) -> None:
    while run.newer is None:
        await asyncio.sleep(LOOK_SECONDS)
        if not run.is_waiting:
            continue
        try:
            newer = await superseded_by(site, run.spec, trigger)
        except RolloutError:
            continue  # the store does not answer: the next look may be luckier
        if newer is not None and run.is_waiting:
            run.newer = newer
            site.tell(Note(f"making way for {newer}"))
            run.stop.set()


def _desired_of(notes: Notes, spec: RolloutSpec) -> Desired | None:
    text = notes.get(KIND)
    if text is None:
        return None
    try:
        return read_desired_form(orjson.loads(text))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidDocument(
            f"what is noted as desired of {spec.name!r} cannot be read: {type(error).__name__}",
            hint="upgrade Rollwright, if a newer one has run this rollout",
        ) from error
