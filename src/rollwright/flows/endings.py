"""From the report of a run, or the error that kept it from one, to the flow run's final state.

Before: ``walk`` returned or raised.
After: Prefect shows the state; its data is what awaiting the flow returns or raises.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from rollwright.errors import Refused, RolloutError
from rollwright.rollouts.report import Outcome, Report
from rollwright.tasks.endings import STATE_NAMES
from rollwright.tasks.stage import told


def state_of_report(report: Report) -> State[Report]:
    """Return the state of a run that has a report."""
    if report.outcome is Outcome.SUCCEEDED:
        name = "RolledOut" if report.run_id else "NoChange"
        return Completed(name=name, message=report.message, data=report)
    if report.outcome is Outcome.CANCELLED:
        return Cancelled(message=report.message)
    error = RolloutError(report.message, hint=report.hint or None)
    return Failed(name=STATE_NAMES.get(report.outcome, "Failed"), message=told(error), data=error)


def state_of_error(error: Exception) -> State[Report]:
    """Return the state of a run that was refused or that broke off."""
    name = "Refused" if isinstance(error, Refused) else "Failed"
    return Failed(name=name, message=told(error), data=error)
