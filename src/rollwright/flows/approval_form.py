"""The plan as a person sees it who is asked to approve it in Prefect.

Before: a flow run is about to be suspended. After: the form has this above its fields.

Values of Secrets are not here: the plan has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollwright.rollouts.approving import ApprovalRequest, brief
from rollwright.rollouts.change import Operation
from rollwright.rollouts.describe.lines import short
from rollwright.rollouts.describe.plans import describe_plan
from rollwright.rollouts.plan import Plan

ROWS_SHOWN = 30
"""Objects that the table names."""

LINES_SHOWN = 120
"""Lines of the plan in words."""

_LINE_LENGTH = 160


def description(plan: Plan, request: ApprovalRequest, *, again: str = "", link: str = "") -> str:
    """Return the plan as Markdown.

    Args:
        plan: What would happen.
        request: Who asks, and why somebody has to agree.
        again: Why the same run asks once more; empty the first time.
        link: Address of the run's page, with its artifacts.
    """
    return "\n".join(_blocks(plan, request, again, link))


def _blocks(plan: Plan, request: ApprovalRequest, again: str, link: str) -> Iterator[str]:
    where = f" on **{_cell(plan.cluster)}**" if plan.cluster else ""
    yield f"**{_cell(plan.rollout)}**{where}: {_cell(request.summary)}\n"
    if again:
        yield f"**Asked again:** {_cell(again)}\n"
    yield f"Asked by {_cell(request.asked_by)} ({request.trigger}): {_cell(request.reason)}\n"
    yield from _table(plan)
    yield f"\n{_fenced(_words(plan))}\n"
    until = f"{request.expires_at:%Y-%m-%d %H:%M:%SZ}"
    yield f"The answer is for plan `{brief(plan.id)}` alone, and has to come before {until}."
    if link:
        yield f"\n[The run and its artifacts]({link})"


def _table(plan: Plan) -> Iterator[str]:
    writes = [change for change in plan.changes if change.writes]
    if not writes:
        return
    yield "| change | object |\n|---|---|"
    for change in writes[:ROWS_SHOWN]:
        verb = "delete" if change.operation is Operation.PRUNE else change.operation.value
        yield f"| {verb} | {_cell(str(change.ref))} |"
    if (more := len(writes) - ROWS_SHOWN) > 0:
        yield f"\n… and {more} more objects"


def _words(plan: Plan) -> list[str]:
    """Return the plan in words: what stands above already is left out, its whole id is added."""
    lines = [str(line)[:_LINE_LENGTH] for line in describe_plan(plan)[2:]]
    more = len(lines) - LINES_SHOWN
    shown = lines if more <= 0 else [*lines[:LINES_SHOWN], f"… and {more} more lines"]
    return [*shown, "", f"source {short(plan.source)}", f"plan {plan.id}"]


def _fenced(lines: list[str]) -> str:
    text = "\n".join(lines)
    fence = "`" * (3 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def _cell(value: str) -> str:
    """Return a text that stands in a line or a cell, and is nothing but text there."""
    return re.sub(r"([\\`*_{}\[\]<>|])", r"\\\1", " ".join(value.split()))
