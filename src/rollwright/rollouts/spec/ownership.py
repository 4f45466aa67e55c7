"""Who owns which field: the parts of ``apply`` that say whose word counts (AP-33, AP-49, IN-07)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, model_validator

from rollwright.rollouts.spec.part import Name, OneOrMany, Part, Text, refuse


class ConflictAction(StrEnum):
    """What becomes of a field that another manager owns with another value."""

    TAKE = "take"
    """We force ours."""
    LEAVE = "leave"
    """The field is not sent; the other manager keeps it."""
    ADOPT = "adopt"
    """The live value is sent; both own it."""
    FAIL = "fail"
    """The plan is refused."""


class Adoption(StrEnum):
    """Which objects that are not ours yet may become ours."""

    MUST_MATCH = "mustMatch"
    """None."""
    IF_NO_OWNER = "adoptIfNoOwner"
    """Those that no other tool marks as its own."""
    ALL = "adoptAll"
    """All; somebody has to agree to the plan."""


class Tool(StrEnum):
    """A tool whose objects are recognized by its marks."""

    HELM = "helm"
    FLUX = "flux"
    ARGOCD = "argocd"
    KAPP = "kapp"
    KLUCTL = "kluctl"
    FLEET = "fleet"
    CONFIG_SYNC = "config-sync"


def _read_regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise refuse(f"is no regular expression: {error}; got {value!r}") from None
    return value


class ConflictRule(Part):
    """What to do with some fields that other managers own; the first rule that matches counts."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["field", "fieldRegex"]}})

    group: Text | None = None
    """API group; empty for the core API."""
    kind: Name | None = None
    """Kind, such as Deployment."""
    name: Name | None = None
    """Name; may hold the wildcards * and ?."""
    namespace: Name | None = None
    """Namespace; may hold the wildcards * and ?."""
    field: Name | None = None
    """The field, and everything below it: spec.replicas, or spec.template.spec.containers[web].image."""
    field_regex: Annotated[Text, AfterValidator(_read_regex)] | None = None
    """A regular expression that is found in the field's path; instead of field."""
    manager: Name | None = None
    """The other manager; may hold the wildcards * and ?."""
    action: ConflictAction
    """take, leave, adopt or fail."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.field is not None and self.field_regex is not None:
            raise refuse("give field or fieldRegex, not both")
        return self


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


ConflictRules = tuple[ConflictRule, ...]
Tools = Annotated[tuple[Tool, ...], OneOrMany(_as_list)]
