"""Whether a step succeeded, one module per check.

Before: an action carried a step out.
After: the verdict (success, failure, undecided, with a reason) decides whether the run goes on.

``healthy`` ``field_comparisons`` ``condition`` ``expression`` ``job_oom_killed``
``pods_restarting`` are the checks; ``waiting`` is what they share: absent objects and time that
runs out; ``durations`` reads their durations. ``paths`` reads JSONPath and ``comparing`` compares values for
``field_comparisons``. ``cel`` compiles expressions, ``cel_worker`` has them evaluated by a child
process (``plugins.cel``). ``pods`` finds pods and their restarts.
"""

from __future__ import annotations

from collections.abc import Mapping

BUILTIN: Mapping[str, str] = {
    "healthy": "rollwright.checks.healthy:Healthy",
    "fieldComparisons": "rollwright.checks.field_comparisons:FieldComparisons",
    "condition": "rollwright.checks.condition:Condition",
    "expression": "rollwright.checks.expression:Expression",
    "JobOOMKilled": "rollwright.checks.job_oom_killed:JobOOMKilled",
    "PodsRestarting": "rollwright.checks.pods_restarting:PodsRestarting",
}
"""Plugin name → ``module:class``; imported on use."""
