"""Steps of declared groups as JSON.

Before: ``steps.stepping`` planned the steps. After: ``plans`` puts the form into that of the plan.
"""

from __future__ import annotations

import orjson

from rollwright.rollouts.machine import forms
from rollwright.rollouts.plan import Planned, Step


def declared_form(step: Step) -> forms.DeclaredForm:
    """Return what the document says of a step as JSON."""
    return {
        "group": step.group,
        "action": _use(step.plugin or Planned(name=step.action)),
        "success": [_use(one) for one in step.success],
        "failure": [_use(one) for one in step.failure],
        "mustWait": step.must_wait,
        "continueOnError": step.continue_on_error,
        "timeoutSeconds": step.timeout.total_seconds() if step.timeout is not None else None,
        "retries": step.retry_count,
        "doneBy": step.done_by or None,
    }


def _use(planned: Planned) -> forms.UseForm:
    form: forms.UseForm = {"use": planned.name, "words": planned.words or planned.name}
    if planned.options:
        form["options"] = orjson.loads(planned.options)
    return form
