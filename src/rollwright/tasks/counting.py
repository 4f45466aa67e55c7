"""How many task runs one flow run has had: the server pays 20 ms for each, and 100 are enough.

Before: ``stage`` is about to run a stage as a task run.
After: a stage beyond the bound runs all the same, as part of the flow run itself.

What begins, ends and tells of a run comes last, so waves leave room for it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from prefect.context import FlowRunContext

MAX_TASKS = 100
"""Task runs of one flow run; Prefect's pages and its server stay quick with so many."""

MAX_WAVE_TASKS = 75
"""Task runs after which waves get none of their own any more."""


@dataclass(slots=True)
class _Spent:
    flow_run: UUID
    count: int = 0


_SPENT: ContextVar[_Spent | None] = ContextVar("rollwright_task_runs", default=None)


def may_be_task(*, is_wave: bool = False) -> bool:
    """Whether the flow run has room for one more task run, which is counted then."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return True
    spent = _SPENT.get()
    if spent is None or spent.flow_run != context.flow_run.id:
        spent = _Spent(context.flow_run.id)
        _SPENT.set(spent)
    if spent.count >= (MAX_WAVE_TASKS if is_wave else MAX_TASKS):
        return False
    spent.count += 1
    return True
