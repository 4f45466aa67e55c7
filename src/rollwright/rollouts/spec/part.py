"""What every part of a document is: frozen, strict, camelCase.

The models of ``spec`` and of ``engine.site_file`` are Parts. A Part refuses fields it does not
know, converts no types, and takes ``null`` for a list or a section as if it were left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

DNS_LABEL = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""What Kubernetes calls a DNS label: the form of a rollout's name."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class Part(BaseModel):
    """One section of a document."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or None not in data.values():
            return data
        sections = {
            key_of(name, info) for name, info in cls.model_fields.items() if _is_section(info)
        }
        return {k: v for k, v in data.items() if v is not None or k not in sections}


def key_of(name: str, info: FieldInfo) -> str:
    """Return how users spell a field of a Part."""
    return str(info.validation_alias or info.alias or name)


def _is_section(info: FieldInfo) -> bool:
    """Tell whether leaving the value out means "nothing in it": a list, a map, a Part."""
    default = info.get_default(call_default_factory=True, validated_data={})
    return isinstance(default, tuple | Mapping | Part)


@dataclass(frozen=True)
class Shorthand:
    """Marks a field that may be written shorter: ``read`` makes the full form of it.

    ``also`` holds the JSON Schemas of the shorter forms.
    """

    read: Callable[[Any], Any]
    also: tuple[Mapping[str, Any], ...] = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Read the short form before the full one is validated."""
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Offer every form, so that editors complete each of them."""
        return {"anyOf": [*(dict(form) for form in self.also), handler(schema)]}


class OneOrMany(Shorthand):
    """Marks a list whose only entry may stand without the list."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Offer an entry, or a list of them."""
        full = handler(schema)
        return {"anyOf": [full["items"], full]}


def refuse(message: str, *at: str | int) -> PydanticCustomError:
    """Make the error of a validator; ``at`` leads from the field to what is wrong inside."""
    return PydanticCustomError("refused", "{message}", {"message": message, "at": at})


def expect(form: str) -> PydanticCustomError:
    """Make the error of a value of another form; what was got is added to the message."""
    return PydanticCustomError("wanted", "{message}", {"message": f"expected {form}"})


def _read_label(value: str) -> str:
    if problem := label_problem(value):
        raise refuse(problem)
    return value


def label_problem(value: str) -> str:
    """Say why a text is no DNS label; empty if it is one."""
    if not value:
        return "must not be empty"
    if len(value) > 63:
        return f"at most 63 characters; got {len(value)}"
    if not set(value) <= _LETTERS or "-" in (value[0], value[-1]):
        return f"expected a DNS label (a-z, 0-9 and '-', no '-' at the ends); got {value!r}"
    return ""


def _not_empty(value: str) -> str:
    if not value.strip():
        raise refuse("must not be empty")
    return value


def _is_percent(value: Any) -> Any:
    if isinstance(value, str) and value.endswith("%"):
        raise refuse(f"expected a number without '%'; got {value!r}")
    return value


def _shorten(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _read_optional_label(value: str) -> str:
    return _read_label(value) if value else value


Text = Annotated[str, Strict()]
Name = Annotated[
    str, Strict(), AfterValidator(_not_empty), Field(json_schema_extra={"minLength": 1})
]
Label = Annotated[
    str,
    Strict(),
    AfterValidator(_read_label),
    Field(json_schema_extra={"pattern": DNS_LABEL}),
]
OptionalLabel = Annotated[
    str,
    Strict(),
    AfterValidator(_read_optional_label),
    Field(json_schema_extra={"pattern": f"^$|{DNS_LABEL}"}),
]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0)]
Percent = Annotated[
    float,
    BeforeValidator(_is_percent),
    Strict(),
    Field(ge=0, le=100),
    PlainSerializer(_shorten),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}, mode="validation"),
]
Options = Mapping[Text, Any]
"""What is handed to a plugin, which knows what it means."""
