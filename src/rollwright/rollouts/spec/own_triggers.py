"""What holds for whatever starts runs, and the triggers that a Rollout declares of itself.

Before: ``documents`` read the text. After: ``trigger`` makes Triggers of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from rollwright.rollouts.spec.durations import PositiveDuration
from rollwright.rollouts.spec.part import Flag, Label, Name, Part, Shorthand, Text, expect


class Instances(StrEnum):
    """What a key of a firing stands for."""

    ONE = "one"
    """Nothing: every firing is about the rollout itself."""
    PER_KEY = "perKey"
    """A rollout of its own, with its own objects and state."""


class TriggerRules(Part):
    """What holds for whatever starts runs."""

    instances: Instances | None = None
    """Whether each key, such as that of a resource, is a rollout of its own.

    If left out, it is for what fires for resources and rows, and is not for all others.
    """
    at: Text = ""
    """Where what the trigger brings stands among the values, such as `cluster`; empty for on top."""
    retry_interval: PositiveDuration | None = None
    """How long after a failed run it is tried again; null for 5s, doubled up to 5m."""
    retries: Annotated[int, Field(ge=-1, strict=True)] = -1
    """How often a failed run is tried again until something changes; -1 for always."""
    suspend: Flag = False
    """Start no runs."""


class OwnTrigger(TriggerRules):
    """A trigger of one rollout, written in its document."""

    name: Label | None = None
    """What it is called; the rollout's name and the plugin's if left out."""
    use: Name
    """What starts a run: the name that the plugin is registered under."""
    options: Mapping[Text, Any] = Field(
        default={}, validation_alias="with", serialization_alias="with"
    )
    """Its options."""


def _own_from_name(value: Any) -> Any:
    if isinstance(value, str):
        return {"use": value}
    if not isinstance(value, Mapping | OwnTrigger):
        raise expect("a trigger's name, or {use, with}")
    return value


_OWN_NAME = {"type": "string", "minLength": 1, "description": "The trigger, with its defaults."}
OwnTriggers = tuple[Annotated[OwnTrigger, Shorthand(_own_from_name, (_OWN_NAME,))], ...]
"""The field ``triggers`` of a Rollout."""
