"""From the report of a run, or the error that kept it from one, to the flow run's final state.

Before: ``walk`` returned or raised.
After: Prefect shows the state; its data is what awaiting the flow returns or raises.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from rollwright.errors import Refused, RolloutError
from rollwright.rollouts.describe.plans import summary
from rollwright.rollouts.drift.find import Drift
from rollwright.rollouts.fleet import FleetOutcome
from rollwright.rollouts.fleet_report import FleetReport
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.report import Outcome, Report
from rollwright.tasks.endings import STATE_NAMES
from rollwright.tasks.stage import told


def state_of_report(report: Report) -> State[Report]:
    """Return the state of a run that has a report."""
    if report.outcome is Outcome.SUCCEEDED:
        return Completed(name=_success(report), message=report.message, data=report)
    if report.outcome is Outcome.SUPERSEDED:
        return Completed(name="Superseded", message=report.message, data=report)
    if report.outcome is Outcome.CANCELLED:
        return Cancelled(message=report.message)
    error = RolloutError(report.message, hint=report.hint or None)
    return Failed(name=_failure(report), message=told(error), data=error)


def _success(report: Report) -> str:
    if not report.run_id:
        return "NoChange"
    return "RolledBack" if report.plan.rollback else "RolledOut"


def _failure(report: Report) -> str:
    back = report.rollback
    if back is not None and back.outcome is Outcome.SUCCEEDED:
        return "RolledBack"
    return STATE_NAMES.get(report.outcome, "Failed")


def state_of_plan(plan: Plan) -> State[Plan]:
    """Return the state of a run that made a plan and carried nothing out."""
    name = "NoChange" if plan.is_done else "Planned"
    return Completed(name=name, message=summary(plan), data=plan)


def state_of_drift(drift: Drift) -> State[Drift]:
    """Return the state of a run that looked for drift."""
    count = len(drift.objects)
    words = f"{count} of {drift.object_count} objects differ" if count else "nothing differs"
    return Completed(name="Drifted" if count else "NoDrift", message=words, data=drift)


_FLEET_NAMES = {
    FleetOutcome.SUCCEEDED: "RolledOut",
    FleetOutcome.SUCCEEDED_WITH_FAILURES: "RolledOutWithFailures",
}


def state_of_fleet(report: FleetReport) -> State[FleetReport]:
    """Return the state of a run that went through many clusters."""
    if name := _FLEET_NAMES.get(report.outcome):
        return Completed(name=name, message=report.message, data=report)
    if report.outcome is FleetOutcome.CANCELLED:
        return Cancelled(message=report.message)
    error = RolloutError(f"{report.rollout} {report.outcome}: {report.message}")
    return Failed(name="Stopped", message=told(error), data=error)


def state_of_error(error: Exception) -> State[Report]:
    """Return the state of a run that was refused or that broke off."""
    name = "Refused" if isinstance(error, Refused) else "Failed"
    return Failed(name=name, message=told(error), data=error)
