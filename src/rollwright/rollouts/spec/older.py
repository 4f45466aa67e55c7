"""Rollouts of the older format: groups of steps, and nothing else.

Before: a file beside the manifests holds one, or a renderer gave one with its objects.
After: its groups stand in a ``RolloutSpec``, like those that a document of ours declares.

Two forms share one ``apiVersion``: ``fieldComparisons`` is a list of comparisons, or an object
with times and reports around that list. Both are read, and every field either works or is
refused by its name (DOC-22, DOC-N16, DOC-N17).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import ValidationError

from rollwright.errors import Problem
from rollwright.rollouts.spec.groups import Group, Rest, Step
from rollwright.rollouts.spec.older_model import OlderDocument, OlderGroup, OlderStep, Success
from rollwright.rollouts.spec.parse import FOREIGN_API_VERSION, LineOf, invalid
from rollwright.rollouts.spec.problems import explain
from rollwright.rollouts.spec.rollout import KIND, RolloutSpec
from rollwright.rollouts.spec.schema import schema_of_model
from rollwright.rollouts.spec.secrets import Path
from rollwright.rollouts.spec.uses import COMPARISONS, Use

GROUP = FOREIGN_API_VERSION.partition("/")[0]

_ACTIONS: Mapping[str, Use] = {
    "replace": Use(name="Replace"),
    # NB: old documents do not wait for the end of a deletion (DOC-17).
    "DeleteIfExist": Use(name="DeleteIfExist", options={"wait": False}),
    "DeleteIfExists": Use(name="DeleteIfExist", options={"wait": False}),
}
"""What our actions are called in older documents, where it differs."""

ACTIONS = frozenset(
    {*_ACTIONS, "Apply", "CreateIfNotExist", "CreateOnly", "CreateOrUpdate", "Recreate", "Replace"}
)
"""Actions that older documents may name: those that need no options."""

CHECKS = frozenset({"JobOOMKilled", "PodsRestarting"})
"""Failure checks that older documents may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderRollout:
    """What a document of the older format declares.

    Attributes:
        name: What it is called; may be empty.
        groups: Its groups. Steps without checks end as soon as they are carried out.
        parallel: Whether the groups run side by side (DOC-5).
        labels: Its labels.
        namespace: Of the document; empty if it names none.
    """

    name: str
    groups: tuple[Group, ...]
    parallel: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a document of the older format may name, and how one is read.

    Attributes:
        actions: Names of actions; ``None`` for whatever it names.
        checks: Names of failure checks; ``None`` for whatever it names.
        parallel_steps: Whether steps of a group run together where the group does not say
            (DOC-8): documents that were written for the first of the older systems.
    """

    actions: Collection[str] | None = ACTIONS
    checks: Collection[str] | None = CHECKS
    parallel_steps: bool = False


UNCHECKED = Known(actions=None, checks=None)
"""For documents whose names are looked up elsewhere."""


def is_older(document: Any) -> bool:
    """Tell whether a document is a Rollout of the older format, of whatever version."""
    if not isinstance(document, Mapping) or document.get("kind") != KIND:
        return False
    return str(document.get("apiVersion")).partition("/")[0] == GROUP


def read_older(
    document: Any,
    *,
    name: str = "rollout",
    line_of: LineOf = lambda _path: None,
    known: Known = Known(),
) -> OlderRollout:
    """Read a rollout of the older format.

    Args:
        document: What YAML, JSON or a renderer gave.
        name: What messages call the document, best its path.
        line_of: Finds lines for messages.
        known: What it may name.

    Raises:
        InvalidSpec: Something in it is wrong; every problem is in it.
    """
    if not isinstance(document, Mapping):
        found: list[tuple[Path, str]] = [((), "not a Rollout: expected a mapping")]
        raise invalid(found, name=name, line_of=line_of)
    found = list(_unknown_names(document, known))
    try:
        whole = OlderDocument.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        found += [(_as_written(path, document), why) for path, why in explain(error, _schema)]
        raise invalid(found, name=name, line_of=line_of) from None
    groups = tuple(_groups(whole, known))
    if not groups and not found:
        found = [(("spec", "groups"), "no group has a step, so nothing would be done")]
    if found:
        raise invalid(found, name=name, line_of=line_of)
    return OlderRollout(
        name=whole.metadata.name,
        groups=groups,
        parallel=whole.spec.parallel,
        labels=whole.metadata.labels,
        namespace=whole.metadata.namespace,
    )


def with_older(spec: RolloutSpec, older: OlderRollout) -> RolloutSpec:
    """Return a spec whose groups are those of an older document.

    What its steps do not name is left alone, unless the spec says when it comes.
    """
    rest = Rest.IGNORE if spec.rest is Rest.ERROR and not spec.groups else spec.rest
    update = {"groups": older.groups, "groups_parallel": older.parallel, "rest": rest}
    return spec.model_copy(update=update)


def find_missing(
    groups: Collection[Group], keys: Collection[str], where: str
) -> tuple[Problem, ...]:
    """Return a problem for every step whose object was not rendered (DOC-11)."""
    return tuple(
        Problem(
            where=where,
            path=f"spec.groups[{number}].steps[{place}].object",
            message=f'could not find object named "{step.object}"',
        )
        for number, group in enumerate(groups)
        for place, step in enumerate(group.steps)
        if step.object is not None and step.object not in keys
    )


@cache
def _schema() -> dict[str, Any]:
    return schema_of_model(OlderDocument, KIND)


def _as_written(path: Path, document: Any) -> Path:
    """Leave out of a path what only the object form of ``fieldComparisons`` has."""
    written: list[str | int] = []
    value = document
    for part in path:
        if part == "expectedValues" and isinstance(value, list):
            continue
        written.append(part)
        value = _inside(value, part)
    return tuple(written)


def _inside(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int):
        return next(iter(value[part : part + 1]), None)
    return None


def _unknown_names(document: Mapping[str, Any], known: Known) -> Iterator[tuple[Path, str]]:
    """Find actions and checks that nobody carries out, wherever else mistakes are."""
    actions = ", ".join(sorted(known.actions or ()))
    for path, step in _steps(document):
        action = step.get("action")
        if _is_unknown(action, known.actions):
            message = f'unknown action "{action}": available actions are [{actions}]'
            yield (*path, "action"), message
        for index, success in _entries(step.get("success")):
            yield from _unknown_checks(success, (*path, "success", index), known)


def _unknown_checks(
    success: Mapping[str, Any], path: Path, known: Known
) -> Iterator[tuple[Path, str]]:
    checks = ", ".join(sorted(known.checks or ()))
    inner = success.get(COMPARISONS)
    for place, holder in ((path, success), ((*path, COMPARISONS), inner)):
        entries = holder.get("failure") if isinstance(holder, Mapping) else None
        for index, entry in _entries(entries):
            name = entry.get("checkName")
            if _is_unknown(name, known.checks):
                message = f'unknown failure check "{name}": available checks are [{checks}]'
                yield (*place, "failure", index, "checkName"), message


def _is_unknown(name: Any, known: Collection[str] | None) -> bool:
    return isinstance(name, str) and bool(name) and known is not None and name not in known


def _steps(document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    spec = document.get("spec")
    groups = spec.get("groups") if isinstance(spec, Mapping) else None
    for number, group in _entries(groups):
        for place, step in _entries(group.get("steps")):
            yield ("spec", "groups", number, "steps", place), step


def _entries(value: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for index, entry in enumerate(value if isinstance(value, list | tuple) else ()):
        if isinstance(entry, Mapping):
            yield index, entry


def _groups(whole: OlderDocument, known: Known) -> Iterator[Group]:
    """Make our groups; one without steps does nothing and is left out."""
    taken: set[str] = set()
    for number, group in enumerate(whole.spec.groups, 1):
        name = _free(group.name or f"group-{number}", taken)
        if group.steps:
            parallel = known.parallel_steps if group.parallel is None else group.parallel
            yield Group(name=name, parallel=parallel, steps=tuple(_our_steps(group)))


def _our_steps(group: OlderGroup) -> Iterator[Step]:
    taken: set[str] = set()
    for step in group.steps:
        yield Step(
            name=_free(step.name or step.object, taken),
            object=step.object,
            action=_ACTIONS.get(step.action, Use(name=step.action)),
            continue_on_error=step.continue_on_error,
            wait=False,
            success=tuple(one.comparisons() for one in step.success),
            failure=tuple(_failures(step)),
        )


def _failures(step: OlderStep) -> Iterator[Use]:
    """Yield the failure checks of a step, each once."""
    seen: list[Use] = []
    for success in step.success:
        for use in _failures_of(success):
            if use not in seen:
                seen.append(use)
                yield use


def _failures_of(success: Success) -> Iterator[Use]:
    for failure in (*success.failure, *success.field_comparisons.failure):
        options = {"report": failure.report.form()} if failure.report else {}
        yield Use(name=failure.check_name, options=options)


def _free(name: str, taken: set[str]) -> str:
    """Return a name that is not taken; older documents may leave names out, or repeat them."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    taken.add(free)
    return free
