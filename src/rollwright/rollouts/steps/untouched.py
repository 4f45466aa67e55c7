"""Objects that no step makes its own, so that they may be of anybody.

Before: the groups are declared, the set is rendered.
After: ``premises`` refuses objects of other rollouts, but not these.
"""

from __future__ import annotations

from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.steps.actions import LEAVES_ALONE
from rollwright.rollouts.steps.course import chart
from rollwright.rollouts.steps.options import is_object_action


def left_alone(spec: RolloutSpec, wanted: ManifestSet) -> frozenset[ObjectRef]:
    """Return the objects that steps only look at, patch, or create where they are missing."""
    course = chart(spec, wanted)
    if course is None:
        return frozenset()
    touched = {
        one.ref
        for step in course.all_steps
        if not is_object_action(step) or step.action not in LEAVES_ALONE
        for one in step.manifests
    }
    return frozenset(one.ref for one in wanted if one.ref not in touched)
