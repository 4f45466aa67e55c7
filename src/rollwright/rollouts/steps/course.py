"""The declared groups with their objects: which step handles what (OR-49).

Before: the document names objects by key or by a selector; the set is rendered.
After: ``contradictions`` compares the steps with the dependency graph; ``stepping`` plans them.

Every object of the set has exactly one of these places: steps that name it, the rest, or none
because the document says that the rest is ignored. All mistakes are told at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import orjson

from rollwright.errors import InvalidSpec, Problem
from rollwright.rollouts.change import Forecast
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef, digest_of
from rollwright.rollouts.plan import Planned
from rollwright.rollouts.selection import is_selected
from rollwright.rollouts.spec import Group, Rest, RolloutSpec, Step, Use, read_older, with_older
from rollwright.rollouts.spec.older import UNCHECKED

ALIASES = {"CreateOrUpdate": "Apply", "DeleteIfExists": "DeleteIfExist"}
"""Other names of actions (DOC-14, DOC-16)."""

REST = "rest"


@dataclass(frozen=True, kw_only=True)
class StepPlace:
    """One step and its objects.

    Attributes:
        group: Name of its group.
        declared: What the document says.
        manifests: Its objects, in the order of the set; a step may have none.
        path: Where it stands in the document.
    """

    group: str
    declared: Step
    manifests: tuple[Manifest, ...] = ()
    path: str = ""

    @property
    def name(self) -> str:
        """The name by which plans and reports know it."""
        return f"{self.group}/{self.declared.name}"

    @property
    def action(self) -> str:
        """Its action, by the name that is not an alias."""
        name = self.declared.action.name
        return ALIASES.get(name, name)

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of its action."""
        return self.declared.action.options

    @cached_property
    def digest(self) -> str:
        """Digest of all that is declared of it, its objects included."""
        # Whom it is told changes nothing of what is done.
        declared = self.declared.model_dump(mode="json", exclude={"feedback"})
        return digest_of([self.group, declared, sorted(one.digest for one in self.manifests)])


@dataclass(frozen=True, kw_only=True)
class GroupPlace:
    """One group: its steps, and those that run when the rollout goes back through it."""

    name: str
    steps: tuple[StepPlace, ...]
    on_rollback: tuple[StepPlace, ...] = ()
    is_parallel: bool = False


@dataclass(frozen=True, kw_only=True)
class Course:
    """All groups with their objects.

    Attributes:
        groups: In order.
        ignored: Objects that no step names and that nobody applies.
        together: Whether the groups run side by side (DOC-5).
        words: What the plugins of steps will do, by name and options; empty if nobody asked them.
        forecasts: The server's answers to dry runs of actions that are no apply, by the name of
            the step and the object.
        is_back: Whether a former revision comes back.
    """

    groups: tuple[GroupPlace, ...]
    ignored: tuple[Manifest, ...] = ()
    together: bool = False
    words: Mapping[tuple[str, str], str] = field(default_factory=dict)
    forecasts: Mapping[tuple[str, ObjectRef], Forecast] = field(default_factory=dict, repr=False)
    is_back: bool = False

    @property
    def steps(self) -> Iterator[StepPlace]:
        """Every step of the way forward, in order."""
        return (step for group in self.groups for step in group.steps)

    @property
    def all_steps(self) -> Iterator[StepPlace]:
        """Every step, those of a rollback too."""
        return (step for group in self.groups for step in (*group.steps, *group.on_rollback))

    @cached_property
    def digest(self) -> str:
        """Digest of everything that the groups declare."""
        flags = [[group.name, group.is_parallel] for group in self.groups]
        return digest_of([flags, self.together, [step.digest for step in self.all_steps]])

    @property
    def barriers(self) -> tuple[tuple[StepPlace, ...], ...]:
        """The steps in the order they run; what stands together runs together."""
        if self.together:
            return (tuple(self.steps),)
        found: list[tuple[StepPlace, ...]] = []
        for group in self.groups:
            found += [group.steps] if group.is_parallel else [(step,) for step in group.steps]
        return tuple(found)

    def planned(self, use: Use) -> Planned:
        """Return a plugin as a plan shows it."""
        options = text_of(use.options)
        words = self.words.get((use.name, options), "")
        return Planned(name=use.name, options=options, words=words)

    def keeping(self, refs: Collection[ObjectRef]) -> Course:
        """Return the groups without other objects, and without steps that lose all of theirs."""
        groups = (
            replace(
                group,
                steps=tuple(_kept(group.steps, refs)),
                on_rollback=tuple(_kept(group.on_rollback, refs)),
            )
            for group in self.groups
        )
        ignored = tuple(one for one in self.ignored if one.ref in refs)
        return replace(self, groups=tuple(one for one in groups if one.steps), ignored=ignored)


def _kept(steps: Iterable[StepPlace], refs: Collection[ObjectRef]) -> Iterator[StepPlace]:
    for step in steps:
        manifests = tuple(one for one in step.manifests if one.ref in refs)
        if manifests or not step.manifests:
            yield replace(step, manifests=manifests)


def text_of(options: Mapping[str, Any]) -> str:
    """Return options as JSON text, the same for equal ones; empty for none."""
    if not options:
        return ""
    return orjson.dumps(options, option=orjson.OPT_SORT_KEYS, default=str).decode()


def declared(spec: RolloutSpec, wanted: ManifestSet) -> RolloutSpec:
    """Return the spec with the groups that came with the rendered objects, if any did.

    Groups that the document itself declares count before them.
    """
    if wanted.rollout is None or spec.groups:
        return spec
    # The names were looked up when it was rendered.
    return with_older(spec, read_older(wanted.rollout, known=UNCHECKED))


def chart(spec: RolloutSpec, wanted: ManifestSet) -> Course | None:
    """Return the groups with their objects; ``None`` when nothing declares groups.

    Raises:
        InvalidSpec: A step names what is not there, an object is in two steps that run together,
            or no step names it and ``rest`` is ``error``; every mistake is told.
    """
    spec = declared(spec, wanted)
    if not isinstance(spec.groups, tuple) or not spec.groups:
        return None
    finding = _Finding(spec=spec, wanted=wanted)
    groups = tuple(_group(group, number, finding) for number, group in enumerate(spec.groups))
    course = Course(groups=groups, together=spec.groups_parallel)
    _refuse_twins(course, finding)
    course = _with_rest(course, finding)
    if finding.problems:
        raise InvalidSpec(finding.problems, hint=finding.hint)
    return course


@dataclass(kw_only=True)
class _Finding:
    """The search for objects, and the mistakes so far."""

    spec: RolloutSpec
    wanted: ManifestSet
    problems: list[Problem] = field(default_factory=list)
    hint: str | None = None

    def complain(self, path: str, message: str) -> None:
        self.problems.append(Problem(where=self.spec.name, path=path, message=message))


def _group(group: Group, number: int, finding: _Finding) -> GroupPlace:
    path = f"spec.groups[{number}]"
    return GroupPlace(
        name=group.name,
        steps=tuple(_places(group, group.steps, f"{path}.steps", finding)),
        on_rollback=tuple(_places(group, group.on_rollback, f"{path}.onRollback", finding)),
        is_parallel=group.parallel,
    )


def _places(
    group: Group, steps: Iterable[Step], path: str, finding: _Finding
) -> Iterator[StepPlace]:
    for number, step in enumerate(steps):
        place = f"{path}[{number}]"
        manifests = tuple(_named(step, place, finding))
        yield StepPlace(group=group.name, declared=step, manifests=manifests, path=place)


def _named(step: Step, path: str, finding: _Finding) -> Iterable[Manifest]:
    """Return the objects that a step names; the items of a list by the list's key (DOC-13)."""
    wanted = finding.wanted
    if step.object is not None:
        found: tuple[Manifest, ...] = wanted.named(step.object)
        if not found:
            finding.complain(f"{path}.object", f'could not find object named "{step.object}"')
            close = get_close_matches(step.object, sorted(wanted.keys), n=1)
            finding.hint = finding.hint or (f"did you mean {close[0]!r}?" if close else None)
        return found
    if step.select is None:
        return ()
    selector = step.select
    found = tuple(one for one in wanted if is_selected(selector, one.ref, one.labels))
    if not found:
        finding.complain(f"{path}.select", "selects no object of the rendered set")
    return found


def _refuse_twins(course: Course, finding: _Finding) -> None:
    for steps in course.barriers:
        seen: dict[ObjectRef, StepPlace] = {}
        for step in steps:
            for one in step.manifests:
                first = seen.setdefault(one.ref, step)
                if first is not step and not _follows(first, step, course):
                    message = f"{one.ref} is in step {first.name!r}, too, and both run together"
                    finding.complain(step.path, message)


def _follows(first: StepPlace, second: StepPlace, course: Course) -> bool:
    """Whether two steps of groups that run side by side still run one after the other."""
    if first.group != second.group:
        return False
    return not any(group.name == first.group and group.is_parallel for group in course.groups)


def _with_rest(course: Course, finding: _Finding) -> Course:
    named = {one.ref for step in course.all_steps for one in step.manifests}
    left = tuple(one for one in finding.wanted if one.ref not in named)
    rest = finding.spec.rest
    if not left:
        return course
    if rest is Rest.IGNORE:
        return replace(course, ignored=left)
    if rest is Rest.ERROR:
        for one in left:
            finding.complain("spec.groups", f"{one.ref} ({one.key}) is named by no step")
        finding.hint = finding.hint or (
            "name them in steps, or let spec.rest say what becomes of them: first, last or ignore"
        )
        return course
    group = _rest_group(left, {group.name for group in course.groups})
    ends = (group, *course.groups) if rest is Rest.FIRST else (*course.groups, group)
    return replace(course, groups=ends)


def _rest_group(left: tuple[Manifest, ...], taken: set[str]) -> GroupPlace:
    name = REST
    while name in taken:
        name += "-"
    step = StepPlace(group=name, declared=Step(name="objects"), manifests=left, path="spec.rest")
    return GroupPlace(name=name, steps=(step,))
