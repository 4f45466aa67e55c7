"""Steps in an order that objects do not allow: what comes before what it cannot live without.

Before: ``steps`` knows which step handles which object.
After: a plan that can never be carried out is refused, with both places; less is noted (OR-49a).

Between steps only the document's list counts, so the graph cannot mend such an order: a custom
resource before its CRD, an object before its Namespace, an edge that a person has added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollwright.errors import InvalidManifests, Problem
from rollwright.rollouts.manifest import Manifest, ObjectRef
from rollwright.rollouts.order import order_upserts
from rollwright.rollouts.order.bodies import defined_kind
from rollwright.rollouts.order.kinds import CRD
from rollwright.rollouts.pruning.mentions import used_by_pods
from rollwright.rollouts.steps.course import Course, StepPlace

UPSERTS = frozenset({"Apply", "CreateIfNotExist", "CreateOnly", "Replace", "Recreate"})
"""Actions after which the object is there."""

_HINT = "change the order of the steps, or put both objects into one step"
_NAMESPACE = ("", "Namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Where an object is first made."""

    at: int
    step: StepPlace
    manifest: Manifest


def contradictions(course: Course) -> tuple[str, ...]:
    """Return what a reviewer should know of the order of the steps.

    Raises:
        InvalidManifests: The order cannot work; every contradiction is told.
    """
    starts = _starts(course)
    problems = [*_too_late(starts), *_against_people(starts)]
    if problems:
        raise InvalidManifests(problems, hint=_HINT)
    return tuple(_notes(starts))


def _starts(course: Course) -> Mapping[ObjectRef, _Start]:
    """Return where each object is made first; deletes, patches and waits make nothing."""
    found: dict[ObjectRef, _Start] = {}
    for at, steps in enumerate(course.barriers):
        for step in steps:
            for one in step.manifests if step.action in UPSERTS else ():
                found.setdefault(one.ref, _Start(at=at, step=step, manifest=one))
    return found


def _too_late(starts: Mapping[ObjectRef, _Start]) -> Iterator[Problem]:
    """Yield what starts before its kind is defined, or before its namespace is made."""
    kinds = {
        defined_kind(start.manifest.body): start
        for ref, start in starts.items()
        if ref.group_kind == CRD
    }
    homes = {ref.name: start for ref, start in starts.items() if ref.group_kind == _NAMESPACE}
    for ref, start in starts.items():
        for rule, needed in (
            ("OR-30", kinds.get((ref.group, ref.kind))),
            ("OR-31", homes.get(ref.namespace) if ref.namespace else None),
        ):
            if needed is not None and needed.at > start.at:
                yield _problem(start, needed, rule)


def _against_people(starts: Mapping[ObjectRef, _Start]) -> Iterator[Problem]:
    """Yield what contradicts an edge that a person has added (OR-46, OR-47)."""
    try:
        ordering = order_upserts(start.manifest for start in starts.values())
    except InvalidManifests:
        return  # what matters of it shows when the objects of each step are ordered
    for placed in ordering.placed:
        start = starts[placed.ref]
        for edge in placed.needs:
            needed = starts[edge.ref]
            if needed.at > start.at and not edge.rule.startswith("OR-"):
                yield _problem(start, needed, edge.rule)


def _problem(start: _Start, needed: _Start, rule: str) -> Problem:
    message = (
        f"{start.manifest.ref} needs {needed.manifest.ref} ({rule}), and step"
        f" {start.step.name!r} runs before step {needed.step.name!r}"
        f" ({needed.step.path}, {needed.manifest.origin})"
    )
    return Problem(where=str(start.manifest.origin), path=start.step.path, message=message)


def _notes(starts: Mapping[ObjectRef, _Start]) -> Iterator[str]:
    """Yield which pods will wait for what only a later step makes."""
    for ref, start in starts.items():
        for used in sorted(used_by_pods(start.manifest.body, with_optional=False)):
            needed = starts.get(used)
            if needed is not None and needed.at > start.at:
                yield (
                    f"{ref} of step {start.step.name!r} uses {used}, which only the later step"
                    f" {needed.step.name!r} applies"
                )
