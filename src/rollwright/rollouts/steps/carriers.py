"""Who carries out a step: we its objects, a plugin, or nobody.

Before: ``stepping`` planned the steps.
After: a plan counts what will run; ``engine.stepping`` carries it out, and notes what must not run
twice.
"""

from __future__ import annotations

from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.steps.course import StepPlace
from rollwright.rollouts.steps.options import (
    OPTIONS,
    REPEATED,
    PatchMode,
    is_object_action,
    once_name,
    options_of,
)

IGNORED = "ignored"
"""Name of the step and the group of what the document leaves alone."""


def is_noted(step: Step) -> bool:
    """Whether a step that ended well is written down at once: it must not run a second time."""
    if step.group == IGNORED or step.done_by:
        return False
    if step.action in OPTIONS and step.changes:
        return step.action in REPEATED and any(one.writes for one in step.changes)
    return True


def is_plugins(step: Step) -> bool:
    """Whether a plugin carries the step out."""
    is_objects = step.action in OPTIONS and bool(step.changes)
    return bool(step.group) and step.group != IGNORED and not is_objects


def actions_to_run(plan: Plan) -> tuple[Step, ...]:
    """Return the steps whose plugin acts when the plan is carried out; hooks are counted apart."""
    if plan.is_done:
        return ()
    return tuple(one for one in plan.steps if is_plugins(one) and not one.hook and not one.done_by)


def is_patched(state: RolloutState | None, step: StepPlace, manifest: Manifest) -> bool:
    """Whether the patch of a step was sent to an object by an earlier run, once for ever."""
    if state is None or not is_object_action(step) or step.action != "Patch":
        return False
    if options_of("Patch", step.options).mode is not PatchMode.ONCE:
        return False
    return once_name(manifest.ref.qualified, step.options) in state.extra
