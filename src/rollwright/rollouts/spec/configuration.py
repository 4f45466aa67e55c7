"""Where the values come from that a renderer gets: entries of ``config``, in order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from rollwright.rollouts.spec.part import (
    Flag,
    Name,
    OptionalLabel,
    Part,
    Shorthand,
    Text,
    expect,
    refuse,
)

SOURCES = ("file", "values", "environment", "trigger", "objects", "query")
"""What an entry takes its values from; one of them."""

_LABEL_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/)?[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)?", re.ASCII)


def _read_place(value: str) -> str:
    if not all(value.split(".")):
        raise refuse(f"expected keys with dots between them, such as 'web.image'; got {value!r}")
    return value


def _read_labels(value: Mapping[str, str]) -> Mapping[str, str]:
    for name, text in value.items():
        if not _LABEL_NAME.fullmatch(name) or not _LABEL_VALUE.fullmatch(text):
            raise refuse("not a label: letters, digits and ._-", name)
    return value


def _read_trigger(value: Any) -> Any:
    if value is True:
        return {}
    if value is None:
        return None
    if value is False or not isinstance(value, Mapping | TriggerValues):
        raise expect("true, or {path: a.b}")
    return value


Place = Annotated[Text, AfterValidator(_read_place)]
"""A place in nested mappings: keys with dots between them."""
Labels = Annotated[Mapping[Text, Text], AfterValidator(_read_labels)]


class _Put(Part):
    """Something that may say itself under which key it goes."""

    key: Name | None = Field(default=None, validation_alias="as", serialization_alias="as")
    """The key that it is put under."""


class TriggerValues(_Put):
    """What the trigger of the run brought."""

    path: Place | None = None
    """A part of it only: keys with dots between them."""


TriggerUse = Annotated[
    TriggerValues | None,
    Shorthand(_read_trigger, ({"const": True, "description": "All that the trigger brought."},)),
]


class ObjectValues(_Put):
    """Live objects, read when the plan is made; one object for a name, otherwise a list."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"anyOf": [
                {"required": ["name", "labels"]}, {"required": ["name", "fieldSelector"]},
            ]}
        }
    )  # fmt: skip

    api_version: Name
    """Group and version, such as apps/v1."""
    kind: Name
    """Kind of the objects."""
    name: Name | None = None
    """The one object of that name."""
    labels: Labels = Field(default={})
    """Labels that the objects have."""
    field_selector: Text = ""
    """Fields that the objects have, as the API server selects them."""
    namespace: OptionalLabel | None = None
    """Their namespace; empty for all of them, the target's if it is left out."""
    cluster: Text | None = None
    """A cluster of site.toml; the target if it is left out."""
    required: Flag = True
    """Refuse to render without the object; otherwise the value is null."""


class QueryValues(_Put):
    """Rows of a database, read when the plan is made: a list of mappings."""

    database: Name
    """A database of site.toml."""
    statement: Name
    """One SQL statement that reads."""


def _read_variable(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, Mapping | Variable):
        raise expect("the name of a variable, or {name, default, type}")
    return value


class Variable(Part):
    """A variable of the environment that renders."""

    name: Annotated[Name, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
    """Its name; the site has to allow it."""
    default: Any = None
    """The value where there is no such variable; without it that is an error."""
    type: Literal["text", "integer", "number", "boolean", "json"] = "text"
    """What its text is read as."""


VariableUse = Annotated[
    Variable,
    Shorthand(_read_variable, ({"type": "string", "description": "The name of the variable."},)),
]


class ConfigEntry(Part):
    """Values for the renderer, of one of these sources; later entries win."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [source]} for source in SOURCES]}
    )

    file: Name | None = None
    """A YAML, JSON, TOML or .env file, relative to this document; SOPS may have encrypted it."""
    values: Mapping[Text, Any] | None = None
    """The values themselves."""
    environment: Mapping[Place, VariableUse] | None = None
    """Variables of the environment that renders, by the places that their values are put at. They
    are secret unless `reveal` says otherwise; the site lists those that documents may name."""
    trigger: TriggerUse = None
    """What the trigger of the run brought: true, or a part of it."""
    objects: ObjectValues | None = None
    """Live objects of a cluster."""
    query: QueryValues | None = None
    """Rows of a database."""
    key: Name | None = Field(default=None, validation_alias="as", serialization_alias="as")
    """The key that it is put under."""
    at: Place | None = None
    """The place that it is put at: keys with dots between them."""
    when: Name | None = None
    """An expression (CEL) over `values`, those of the entries before, and `rollout`, `target` and
    `trigger`; the entry gives nothing where it is false."""
    reveal: Flag = False
    """These values are no secret, even if a Secret, an encrypted file or the environment holds
    them: they may stand in other objects than Secrets."""

    @property
    def source(self) -> str:
        """Which of the sources it takes its values from."""
        return next(name for name in SOURCES if getattr(self, name) is not None)

    @property
    def place(self) -> tuple[str, ...]:
        """The keys that lead to where its values are put; empty for the top."""
        if self.at is not None:
            return tuple(self.at.split("."))
        inner = self.trigger or self.objects or self.query
        key = self.key or (inner.key if inner else None)
        return (key,) if key else ()
