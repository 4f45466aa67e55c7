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
from rollwright.engine.listening.running import as_instance, of_nothing, remove_gone, trigger_of
from rollwright.engine.site import Site
from rollwright.engine.stages import Stages
from rollwright.engine.walk import walk
from rollwright.errors import LockHeld, LockLost
from rollwright.flows.approval import suspending
from rollwright.flows.endings import state_of_report
from rollwright.flows.flow_runs import current, url_of
from rollwright.flows.stopping import until_stopped
from rollwright.rollouts.report import Report
from rollwright.tasks.stage import told

BUSY = "Busy"
"""Name of the state of a run that others kept from its work: it is worth another try."""


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
    pending = await freshened(site, pending)
    if pending is None:
        return Completed(name="NoChange", message=of_nothing(request.instance).message)
    try:
        return await _run(
            instance, site.beside(instance, tell=site.tell), stages, (pending, request.at)
        )
    except (LockHeld, LockLost) as error:
        return Failed(name=BUSY, message=told(error), data=error)


async def _run(
    instance: LoadedRollout, site: Site, stages: Stages, what: tuple[Pending, str]
) -> State[Report]:
    pending, at = what
    spec = instance.spec
    if pending.firing.is_gone:
        site.trigger = trigger_of(pending, at)
        how = await remove_gone(site, spec)
        if how.report is None:
            return Completed(name="NoChange", message=how.message)
        return state_of_report(how.report)
    asked = replace(trigger_of(pending, at), url=url_of(current()))
    placed = await in_order(site, spec, asked)
    walking = walk(spec, placed, site, suspending(stages, placed))
    return state_of_report(await until_stopped(site, walking))
