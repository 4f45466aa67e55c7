"""What the user declared of what starts runs: the Trigger document.

Before: ``documents`` read the text. After: ``engine.listening`` listens for what is declared.

A Rollout may hold the same under ``triggers``; those are Triggers of that rollout alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from rollwright.rollouts.spec.own_triggers import OwnTrigger, TriggerRules
from rollwright.rollouts.spec.parse import LineOf, invalid
from rollwright.rollouts.spec.part import (
    DNS_LABEL,
    Label,
    OneOrMany,
    Part,
    Shorthand,
    Text,
    expect,
    label_problem,
    refuse,
)
from rollwright.rollouts.spec.problems import explain
from rollwright.rollouts.spec.rollout import API_VERSION
from rollwright.rollouts.spec.schema import schema_of_model
from rollwright.rollouts.spec.secrets import all_plain_secrets
from rollwright.rollouts.spec.uses import Named, Use

TRIGGER_KIND = "Trigger"
"""The kind of the document."""


class RolloutSelector(Part):
    """Rollouts by their labels."""

    labels: Mapping[Text, Text] = Field(min_length=1)
    """Labels that a rollout must have, all of them."""


def _read_choice(value: Any) -> Any:
    """Read the name of a rollout, or ``{select: {labels}}``."""
    if isinstance(value, str):
        if problem := label_problem(value):
            raise refuse(problem)
        return {"name": value}
    if not isinstance(value, Mapping | RolloutChoice):
        raise expect("the name of a rollout, or {select: {labels: …}}")
    if isinstance(value, Mapping) and set(value) != {"select"}:
        raise refuse("expected the name of a rollout, or {select: {labels: …}}")
    return value


class RolloutChoice(Part):
    """One rollout by its name, or all that have some labels."""

    name: Label | None = None
    """Its name."""
    select: RolloutSelector | None = None
    """Or labels."""


def _as_list(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value
    if not isinstance(value, str | Mapping | Use):
        raise expect("a trigger's name, {use, with}, or a list of them")
    return [value]


_CHOICE_NAME = {"type": "string", "pattern": DNS_LABEL, "description": "The rollout's name."}
Choice = Annotated[RolloutChoice, Shorthand(_read_choice, (_CHOICE_NAME,))]
TriggerUses = Annotated[tuple[Named, ...], Field(min_length=1), OneOrMany(_as_list)]


class TriggerBody(TriggerRules):
    """The section ``spec`` of a Trigger."""

    when: TriggerUses
    """What starts a run: one kind of trigger with its options, or several."""
    rollouts: tuple[Choice, ...] = Field(min_length=1)
    """Which rollouts are looked at."""


class TriggerMetadata(Part):
    """What a document is called."""

    name: Label
    """Name of the trigger, unique in a site."""
    labels: Mapping[Text, Text] = Field(default={})
    """Labels."""


class TriggerDocument(Part):
    """What starts runs of rollouts."""

    api_version: Literal["rollwright.dev/v1alpha1"]
    """Version of this form."""
    kind: Literal["Trigger"]
    """Kind of this document."""
    metadata: TriggerMetadata
    """What the trigger is called."""
    spec: TriggerBody
    """What is declared."""


class TriggerSpec(TriggerBody):
    """A declared trigger, flat."""

    name: Label
    """Name of the trigger, unique in a site."""
    labels: Mapping[Text, Text] = Field(default={})
    """Labels."""

    def chooses(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a rollout of that name and those labels is meant."""
        return any(_means(choice, name, labels) for choice in self.rollouts)


def name_of_own(rollout: str, use: str) -> str:
    """Return what a trigger is called that a rollout declares of itself without a name."""
    return f"{rollout}-{use}".lower().replace("_", "-")[:63].rstrip("-")


def trigger_of(own: OwnTrigger, rollout: str) -> TriggerSpec:
    """Return a trigger that a rollout declares of itself as a Trigger of that rollout alone."""
    rules = {field: getattr(own, field) for field in TriggerRules.model_fields}
    return TriggerSpec(
        name=own.name or name_of_own(rollout, own.use),
        when=(Use(name=own.use, options=own.options),),
        rollouts=(RolloutChoice(name=rollout),),
        **rules,
    )


def _means(choice: RolloutChoice, name: str, labels: Mapping[str, str]) -> bool:
    if choice.select is None:
        return choice.name == name
    return all(labels.get(key) == value for key, value in choice.select.labels.items())


def is_trigger(value: Any) -> bool:
    """Whether a document of ours is a Trigger, whatever is wrong in it."""
    return isinstance(value, Mapping) and value.get("kind") == TRIGGER_KIND


def parse_trigger(
    document: Any, *, name: str = "trigger", line_of: LineOf = lambda _path: None
) -> TriggerSpec:
    """Read a declared trigger.

    Args:
        document: What YAML or JSON gave.
        name: What messages call the document, best its path.
        line_of: Finds lines for messages; asked for a parent where it knows no line.

    Raises:
        InvalidSpec: It is no Trigger, or something in it is wrong; every problem is in it.
    """
    if not is_trigger(document):
        raise invalid([((), f"not a Trigger of {API_VERSION}")], name=name, line_of=line_of)
    found = list(all_plain_secrets(document.get("spec"), ("spec",)))
    try:
        whole = TriggerDocument.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        found += explain(error, trigger_schema)
        raise invalid(found, name=name, line_of=line_of) from None
    if found:
        raise invalid(found, name=name, line_of=line_of)
    body = {field: getattr(whole.spec, field) for field in TriggerBody.model_fields}
    return TriggerSpec(name=whole.metadata.name, labels=whole.metadata.labels, **body)


@cache
def trigger_schema() -> dict[str, Any]:
    """Return the JSON Schema of a Trigger document."""
    return schema_of_model(TriggerDocument, TRIGGER_KIND)
