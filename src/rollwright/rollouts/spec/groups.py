"""The order a user declares: groups of steps, one after another (OR-49)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, Tag

from rollwright.rollouts.spec.durations import PositiveDuration
from rollwright.rollouts.spec.feedback import FeedbackUses
from rollwright.rollouts.spec.part import Count, Flag, Name, Part, Text
from rollwright.rollouts.spec.uses import CheckUse, Named, Use

LIST_TAG, FILE_TAG = "<list>", "<file>"
"""Names of the two forms of ``groups``; they never show, since no field is called so."""


class Rest(StrEnum):
    """What becomes of objects that no step names."""

    ERROR = "error"
    FIRST = "first"
    LAST = "last"
    IGNORE = "ignore"


class Selector(Part):
    """Objects by what they are; every field that is given must match."""

    group: Text | None = None
    """API group; empty for the core API."""
    kind: Name | None = None
    """Kind, such as Deployment."""
    namespace: Name | None = None
    """Namespace; may hold the wildcards * and ?."""
    name: Name | None = None
    """Name; may hold the wildcards * and ?."""
    labels: Mapping[Text, Text] = Field(default={})
    """Labels the object has."""


class Step(Part):
    """One object, or some, with what to do and when it counts as done."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["object", "select"]}})

    name: Name
    """Name of the step, unique in its group."""
    object: Name | None = None
    """Key of one rendered object, such as jobs/migrate.yaml."""
    select: Selector | None = None
    """Rendered objects by kind, name and labels; instead of object."""
    action: Named = Use(name="Apply")
    """What to do with them."""
    continue_on_error: Flag = False
    """Go on although this step failed."""
    wait: Flag = True
    """Where no check is named, wait until the objects are Current."""
    timeout: PositiveDuration | None = None
    """How long the step may take with all its checks; null leaves it to the checks."""
    retries: Count = 0
    """How often the step is tried again after an error that can pass."""
    success: tuple[CheckUse, ...] = ()
    """Checks that must hold, in order; without any, the objects must be Current."""
    failure: tuple[CheckUse, ...] = ()
    """Checks that end the step as failed."""
    feedback: FeedbackUses = ()
    """Who is told when it has ended."""


class Group(Part):
    """Steps that belong together."""

    name: Name
    """Name of the group, unique in the rollout."""
    parallel: Flag = False
    """Run the steps together instead of one after another."""
    steps: tuple[Step, ...] = Field(min_length=1)
    """The steps, in order."""
    on_rollback: tuple[Step, ...] = ()
    """Steps to run when the rollout rolls back through this group."""
    feedback: FeedbackUses = ()
    """Who is told when it has ended."""


class GroupsFile(Part):
    """Groups that stand in another file."""

    file: Name
    """Path of a rollout document, relative to this one."""


def _form_of(value: Any) -> str | None:
    if isinstance(value, Mapping | GroupsFile):
        return FILE_TAG
    return LIST_TAG if isinstance(value, list | tuple) else None


Groups = Annotated[
    Annotated[tuple[Group, ...], Tag(LIST_TAG)] | Annotated[GroupsFile, Tag(FILE_TAG)],
    Discriminator(
        _form_of,
        custom_error_type="wanted",
        custom_error_message="{message}",
        custom_error_context={"message": "expected a list of groups, or {file: …}"},
    ),
]
