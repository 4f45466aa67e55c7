"""The flow's side of a run that a trigger asked for: what is noted, answered.

Before: ``dispatching`` in the process that listens started the flow run, by names alone.
After: the run has the instance's name, and what the trigger brought came out of the notes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from rollwright.engine.custody.desired import in_order
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.listening.attending import freshened
from rollwright.engine.listening.pending import Pending, pending_of
from rollwright.engine.listening.running import (
    Ended,
    as_instance,
    of_error,
    of_nothing,
    of_report,
    remove_gone,
    trigger_of,
)
from rollwright.engine.listening.subject_status import SubjectStatuses, Telling
from rollwright.engine.site import Site
from rollwright.engine.stages import Stages
from rollwright.engine.walk import walk
from rollwright.errors import Held, LockHeld, LockLost, RolloutError
from rollwright.flows.approval import suspending
from rollwright.flows.dispatching import BUSY, HELD, TOLD_TAG
from rollwright.flows.endings import state_of_report
from rollwright.flows.flow_runs import current, mark, url_of
from rollwright.flows.stopping import until_stopped
from rollwright.rollouts.report import Report
from rollwright.rollouts.spec import RolloutSpec
from rollwright.tasks.stage import told


@dataclass(frozen=True, slots=True)
class Request:
    """Which request a flow run answers: of which instance, its id, and where its values stand."""

    instance: str
    id: str
    at: str = ""


async def answered(
    loaded: LoadedRollout, site: Site, stages: Stages, request: Request
) -> State[Report]:
    """Run what is noted of an instance; what is not noted any more needs no run."""
    instance = as_instance(loaded, request.instance)
    pending = await pending_of(site, request.instance, instance.spec.target.cluster)
    if pending is None or (request.id and pending.id != request.id):
        words = "nothing is asked for any more" if pending is None else "a newer request is noted"
        return Completed(name="Superseded", message=f"{request.instance}: {words}")
    noted, pending = pending, await freshened(site, pending)
    if pending is None:
        return Completed(name="NoChange", message=of_nothing(noted).message)
    try:
        return await _run(instance, site, stages, (pending, request.at))
    except (LockHeld, LockLost) as error:
        return Failed(name=BUSY, message=told(error), data=error)
    except Held as error:
        return Failed(name=HELD, message=told(error), data=error)


async def _run(
    instance: LoadedRollout, site: Site, stages: Stages, what: tuple[Pending, str]
) -> State[Report]:
    """Run it; the object that set it off is told from here, where its groups are seen."""
    pending, at = what
    async with SubjectStatuses(site).of(pending) as telling:
        guest = site.beside(instance, tell=telling.also(site.tell))
        try:
            how, state = await _made(instance.spec, guest, stages, (pending, at))
        except RolloutError as error:
            await _conclude(telling, pending, of_error(error))
            raise
        await _conclude(telling, pending, how)
    return state


async def _conclude(telling: Telling, pending: Pending, how: Ended) -> None:
    await telling.end(how, again=how.again and not how.is_good)
    if pending.firing.subject is not None:
        await mark(TOLD_TAG)


async def _made(
    spec: RolloutSpec, site: Site, stages: Stages, what: tuple[Pending, str]
) -> tuple[Ended, State[Report]]:
    pending, at = what
    if pending.firing.is_gone:
        site.trigger = trigger_of(pending, at)
        how = await remove_gone(site, spec)
        if how.report is None:
            return how, Completed(name="NoChange", message=how.message)
        return how, state_of_report(how.report)
    asked = replace(trigger_of(pending, at), url=url_of(current()))
    placed = await in_order(site, spec, asked)
    walking = walk(spec, placed, site, suspending(stages, placed))
    report = await until_stopped(site, walking)
    return of_report(report), state_of_report(report)
