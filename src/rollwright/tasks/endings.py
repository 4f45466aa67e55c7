"""How each stage is shown in Prefect: one line, as `18 objects` or `3 created, 12 kept`.

Nothing of a manifest but counts and names, so nothing of a Secret.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rollwright.engine.run import Run
from rollwright.plugins.contracts import Checkout
from rollwright.rollouts.change import Forecast, Operation
from rollwright.rollouts.describe.lines import short
from rollwright.rollouts.drift.find import Drift
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.report import ChangeResult, Outcome, Report, StepResult, step_outcome
from rollwright.rollouts.state import RolloutState
from rollwright.tasks.stage import Ending

DONE = {
    Operation.CREATE: "created",
    Operation.UPDATE: "updated",
    Operation.ADOPT: "adopted",
    Operation.REPLACE: "replaced",
    Operation.PRUNE: "deleted",
    Operation.RUN: "run",
    Operation.KEEP: "kept",
}
STATE_NAMES = {
    Outcome.FAILED: "Failed",
    Outcome.TIMED_OUT: "NotReady",
    Outcome.CANCELLED: "Cancelled",
    Outcome.SUPERSEDED: "Superseded",
}
"""What a failed state is called in Prefect, by outcome."""


def counted(count: int, noun: str) -> str:
    """Return ``1 object``, ``2 objects``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def of_checkout(checkout: Checkout) -> Ending:
    """Show the revision that was fetched."""
    return Ending(short(checkout.revision))


def of_wanted(wanted: ManifestSet) -> Ending:
    """Show how much was rendered."""
    return Ending(counted(len(wanted), "object"))


def of_state(state: RolloutState | None) -> Ending:
    """Show what is remembered."""
    if state is None:
        return Ending("nothing remembered")
    remembered = f"{counted(len(state.inventory), 'object')} remembered"
    if state.journal is None:
        return Ending(remembered)
    return Ending(f"{remembered}; run {state.journal.run_id} was interrupted")


def of_live(live: LiveSet) -> Ending:
    """Show how much is in the cluster."""
    return Ending(counted(len(live.objects), "live object"))


def of_forecast(forecast: Mapping[ObjectRef, Forecast]) -> Ending:
    """Show how much the server was asked for."""
    return Ending(counted(len(forecast), "dry run"))


def of_run(run: Run) -> Ending:
    """Show the run."""
    return Ending(f"run {run.id}")


def of_wave(results: Sequence[StepResult]) -> Ending:
    """Show what became of a wave's objects: ``3 created, 1 updated, 12 kept``."""
    changes = [change for step in results for change in step.changes]
    counts = Counter(_word(change) for change in changes)
    order = [*DONE.values(), *(outcome.value for outcome in Outcome)]
    words = [f"{counts[word]} {word}" for word in order if counts[word]]
    outcome = step_outcome(changes)
    return Ending(", ".join(words) or "nothing to do", STATE_NAMES.get(outcome, ""))


def _word(change: ChangeResult) -> str:
    is_done = change.outcome is Outcome.SUCCEEDED
    return DONE[change.operation] if is_done else change.outcome.value


def of_finished(report: Report) -> Ending:
    """Show the revision that was saved."""
    return Ending(f"revision {report.revision} saved")


def of_drift(drift: Drift) -> Ending:
    """Show how much differs."""
    return Ending(f"{counted(len(drift.objects), 'object')} differ" if drift.is_drifted else "none")


def of_report(report: Report) -> Ending:
    """Show how the run ended."""
    said = report.message != report.outcome.value
    return Ending(f"{report.outcome}: {report.message}" if said else report.message)
