"""Who is told what: sinks of a site, their rules, and what a Rollout subscribes to.

Before: ``documents`` read the text. After: ``rollouts.telling`` decides whom an event concerns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from rollwright.rollouts.feedback import Event, Reason, Severity
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.spec.part import (
    Flag,
    Name,
    OneOrMany,
    Options,
    Part,
    Shorthand,
    Text,
    expect,
    refuse,
)
from rollwright.rollouts.spec.uses import Use

ONCE_PER = (
    "rollout", "cluster", "revision", "event", "reason", "message", "outcome", "planId", "runId",
    "group", "step", "labels", "actor", "trigger", "severity",
)  # fmt: skip
"""Fields that ``oncePer`` may name."""


def _read_field(value: str) -> str:
    if value.split(".", 1)[0] not in ONCE_PER:
        raise refuse(f"expected a field such as revision; one of {', '.join(ONCE_PER)}")
    return value


def _one_or_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class FeedbackWhen(Part):
    """What has to hold for an event to be told; every field that is given must."""

    events: tuple[Event, ...] = ()
    """What happened; without it what the sink tells by itself."""
    outcomes: tuple[Outcome, ...] = ()
    """How the run, group or step ended."""
    severity: Severity = Severity.INFO
    """It matters at least so much."""
    reasons: tuple[Reason, ...] = ()
    """Why, as codes."""
    rollouts: tuple[Name, ...] = ()
    """Names of rollouts; may hold the wildcards * and ?."""
    clusters: tuple[Text, ...] = ()
    """Names of clusters; may hold the wildcards * and ?."""
    labels: Mapping[Text, Text] = Field(default={})
    """Labels that the rollout has."""
    groups: tuple[Name, ...] = ()
    """Tell when these groups end; may hold the wildcards * and ?."""
    steps: tuple[Name, ...] = ()
    """Tell when these steps end; may hold the wildcards * and ?."""
    include: tuple[Name, ...] = ()
    """Patterns of messages that are told; may hold the wildcards * and ?."""
    exclude: tuple[Name, ...] = ()
    """Patterns of messages that are not."""


Whens = Annotated[tuple[FeedbackWhen, ...], OneOrMany(_one_or_list)]
OncePer = Annotated[
    tuple[Annotated[Name, AfterValidator(_read_field)], ...], OneOrMany(_one_or_list)
]


class FeedbackRules(Part):
    """When a sink is told, and how often."""

    when: Whens = ()
    """Told if one of them holds; without any, what the sink tells by itself."""
    once_per: OncePer = ()
    """Fields of which each value is told once, such as revision."""
    metadata: Mapping[Text, Text] = Field(default={})
    """What goes along with each event."""


class SiteSink(Use, FeedbackRules):
    """One of those that the site tells."""

    only_named: Flag = False
    """Tell it only of rollouts, groups and steps that name it."""


class FeedbackUse(FeedbackRules):
    """Who is told of a rollout, a group or a step."""

    name: Name | None = None
    """A sink of the site; with `use` what this one is called."""
    use: Name | None = None
    """A sink of its own: the name that the plugin is registered under."""
    options: Options = Field(default={}, validation_alias="with", serialization_alias="with")
    """Its options."""

    @model_validator(mode="after")
    def _is_someone(self) -> FeedbackUse:
        if self.name is None and self.use is None:
            raise refuse("expected the name of a sink of the site, or {use, with}")
        if self.use is None and self.options:
            raise refuse("a sink of the site has its options there", "with")
        return self


_OF_STEPS: Mapping[str, Any] = {"__all__": {"feedback": True}}
_OF_GROUPS: Mapping[str, Any] = {
    "__all__": {"feedback": True, "steps": _OF_STEPS, "on_rollback": _OF_STEPS}
}


def where_feedback_is(groups: object) -> dict[str, Any]:
    """Return where a rollout says whom it is told: that decides nothing of what a plan does.

    Args:
        groups: Of the rollout: a list, or where they stand.
    """
    is_list = isinstance(groups, tuple) and bool(groups)
    return {"feedback": True, "groups": _OF_GROUPS} if is_list else {"feedback": True}


def _sink_from_name(value: Any) -> Any:
    if isinstance(value, str):
        return {"use": value}
    if not isinstance(value, Mapping | Use):
        raise expect("the name of a sink's plugin, or {use, with}")
    return value


def _use_from_name(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, Mapping | FeedbackUse):
        raise expect("the name of a sink of the site, or {use, with}")
    return value


_PLUGIN = {"type": "string", "minLength": 1, "description": "The plugin, with its defaults."}
_SINK = {"type": "string", "minLength": 1, "description": "A sink of the site."}

Sink = Annotated[SiteSink, Shorthand(_sink_from_name, (_PLUGIN,))]
"""An entry ``[feedback.NAME]`` of a site."""
FeedbackUses = tuple[Annotated[FeedbackUse, Shorthand(_use_from_name, (_SINK,))], ...]
"""The field ``feedback`` of a rollout, a group or a step."""
