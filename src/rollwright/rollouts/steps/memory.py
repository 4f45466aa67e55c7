"""What the state remembers of steps after a run: what ended well, and patches sent for ever.

Before: ``report`` concluded a run.
After: the next plan knows that nothing of the steps has to be looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from rollwright.rollouts.change import Operation
from rollwright.rollouts.manifest import ObjectRef, digest_of
from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.report import Outcome, Report
from rollwright.rollouts.steps.options import PatchMode, once_name, options_of

REPORTED = "reported"
"""Under this name the state remembers which steps count as done only because it was told."""

SETTLED = "steps"
"""Under this name the state remembers which steps ended well, with which set."""


def settled_digest(steps: str, wanted: str) -> str:
    """Return what is remembered of steps that ended well."""
    return digest_of([steps, wanted])


def sent_once(step: Step) -> Iterator[tuple[ObjectRef, str]]:
    """Yield the objects of a patch that is sent once for ever, with the names of that memory."""
    if step.action != "Patch" or step.plugin is None or not step.changes:
        return
    options = orjson.loads(step.plugin.options or "{}")
    if options_of("Patch", options).mode is PatchMode.ONCE:
        yield from ((one.ref, once_name(one.ref.qualified, options)) for one in step.changes)


def remembered_steps(extra: Mapping[str, str], report: Report) -> Mapping[str, str]:
    """Return what else the state remembers after a run; the same for one without groups."""
    plan, found = report.plan, dict(extra)
    found.pop(SETTLED, None)
    reported = {one.step: one.message for one in report.results if one.is_reported}
    if plan.rollback is not None or report.outcome is Outcome.SUCCEEDED or reported:
        found.pop(REPORTED, None)
    if reported:
        found[REPORTED] = orjson.dumps(reported).decode()
    if report.outcome is Outcome.SUCCEEDED and plan.course_digest and not _has_failures(report):
        found[SETTLED] = settled_digest(plan.course_digest, plan.wanted_digest)
    return found | dict.fromkeys(_patched(plan, report), "sent")


def reported_steps(extra: Mapping[str, str]) -> Mapping[str, str]:
    """Return the steps that count as done only because somebody was told, and what was told."""
    found: Mapping[str, str] = orjson.loads(extra.get(REPORTED) or "{}")
    return found


def _has_failures(report: Report) -> bool:
    """Whether a step failed that the run went on without."""
    return any(step.outcome is not Outcome.SUCCEEDED for step in report.results)


def _patched(plan: Plan, report: Report) -> Iterator[str]:
    results = {step.step: step for step in report.results}
    for step in plan.steps:
        names = dict(sent_once(step))
        result = results.get(step.name) if names else None
        for one in result.changes if result else ():
            if one.outcome is Outcome.SUCCEEDED and one.operation is not Operation.KEEP:
                yield names[one.ref]
