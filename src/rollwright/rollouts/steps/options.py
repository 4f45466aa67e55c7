"""The options of actions that deal with the step's objects, and the words for them.

Before: a document names an action and its options.
After: ``actions`` decides what becomes of each object; a wrong option is told with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, ValidationError

from rollwright.errors import InvalidSpec, Problem
from rollwright.rollouts.manifest import digest_of
from rollwright.rollouts.spec import Part, RolloutSpec
from rollwright.rollouts.spec.rollout import Propagation
from rollwright.rollouts.steps.course import Course, StepPlace


class PatchType(StrEnum):
    """How a patch is read (RFC 7386, RFC 6902, or Kubernetes' own)."""

    STRATEGIC = "strategic"
    MERGE = "merge"
    JSON = "json"


class PatchMode(StrEnum):
    """How often a patch is sent."""

    ALWAYS = "AlwaysApply"
    ONCE = "ApplyOnce"


def _from_text(value: Any) -> Any:
    """Read a patch that stands as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}") from None


class NoOptions(Part):
    """Options of actions that have none."""


class PatchOptions(Part):
    """Options of ``Patch``."""

    patch: Annotated[Mapping[str, Any] | tuple[Mapping[str, Any], ...], BeforeValidator(_from_text)]
    """The patch: a mapping, or a list of operations for type json; or either as JSON text."""
    type: PatchType = PatchType.STRATEGIC
    """How the patch is read."""
    mode: PatchMode = PatchMode.ALWAYS
    """Send it in every run, or once ever."""


class DeleteOptions(Part):
    """Options of ``DeleteIfExist``."""

    wait: bool = True
    """Wait until the object is gone."""
    propagation: Propagation = Propagation.FOREGROUND
    """What becomes of the objects that it owns."""


OPTIONS: Mapping[str, type[Part]] = {
    "Apply": NoOptions,
    "CreateIfNotExist": NoOptions,
    "CreateOnly": NoOptions,
    "Replace": NoOptions,
    "Recreate": NoOptions,
    "DeleteIfExist": DeleteOptions,
    "Patch": PatchOptions,
    "Wait": NoOptions,
}
"""Actions that deal with the step's objects, and need no plugin."""


REPEATED = frozenset({"Recreate", "DeleteIfExist", "Patch"})
"""Object actions that must not be carried out again by a run that goes on from another."""


_WORDS = {
    "Apply": "apply",
    "CreateIfNotExist": "create if absent:",
    "CreateOnly": "create if absent:",
    "Replace": "replace as a whole:",
    "Recreate": "delete and create again:",
    "DeleteIfExist": "delete if present:",
    "Patch": "patch",
    "Wait": "wait for",
}


def in_words(step: StepPlace) -> str:
    """Return what an object action will do, for people."""
    count = len(step.manifests)
    named = str(step.manifests[0].ref) if count == 1 else f"{count} objects"
    return f"{_WORDS[step.action]} {named}"


def is_object_action(step: StepPlace) -> bool:
    """Whether the step needs no plugin; ``Wait`` without an object is a plugin's."""
    return step.action in OPTIONS and bool(step.manifests)


def check_options(spec: RolloutSpec, course: Course) -> tuple[Problem, ...]:
    """Return every mistake in the options of object actions."""
    problems: list[Problem] = []
    for step in course.all_steps:
        model = OPTIONS.get(step.action)
        if model is None or not is_object_action(step):
            continue
        try:
            options = model.model_validate(step.options)
        except ValidationError as error:
            problems += _explained(spec, step, error)
            continue
        if isinstance(options, PatchOptions) and (why := _odd_patch(options)):
            path = f"{step.path}.action.with.patch"
            problems.append(Problem(where=spec.name, path=path, message=why))
    return tuple(problems)


def _explained(spec: RolloutSpec, step: StepPlace, error: ValidationError) -> list[Problem]:
    return [
        Problem(
            where=spec.name,
            path=".".join((f"{step.path}.action.with", *map(str, one["loc"][:1]))),
            message=one["msg"].removeprefix("Value error, "),
        )
        for one in error.errors()
    ]


def _odd_patch(options: PatchOptions) -> str:
    is_list = isinstance(options.patch, tuple)
    if is_list != (options.type is PatchType.JSON):
        form = "a list of operations" if options.type is PatchType.JSON else "a mapping"
        return f"a patch of type {options.type} is {form}"
    return ""


def options_of(action: str, options: Mapping[str, Any]) -> Any:
    """Return the options of an object action, validated.

    Raises:
        InvalidSpec: They are wrong.
    """
    try:
        return OPTIONS[action].model_validate(options)
    except ValidationError as error:
        problem = Problem(where=action, path="with", message=str(error.errors()[0]["msg"]))
        raise InvalidSpec([problem]) from None


def once_name(qualified: str, options: Mapping[str, Any]) -> str:
    """Return the name for an object and the options of its patch."""
    what = {key: options.get(key) for key in ("patch", "type")}
    return f"patched/{digest_of([qualified, what])}"
