"""Names of plugins with their options, in every form that documents allow.

After: the registry finds the plugin and validates its options; here they are only kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    WithJsonSchema,
    model_serializer,
)

from rollwright.rollouts.spec.part import Name, OneOrMany, Options, Part, Shorthand, expect, refuse

COMPARISONS = "fieldComparisons"
BLOCK = "block"
"""The plugin that stands for what a block of the Prefect server says."""
BLOCK_NAME = r"[a-z0-9-]+/[^/\s]+"

_NAME_FORM = {"type": "string", "minLength": 1, "description": "The plugin, with its defaults."}


class Use(Part):
    """A plugin and its options: ``{use: helm, with: {…}}``."""

    name: Name = Field(validation_alias="use", serialization_alias="use")
    """The name the plugin is registered under."""
    options: Options = Field(default={}, validation_alias="with", serialization_alias="with")
    """Its options."""


class RendererUse(Use):
    """A renderer, its options, and when it counts: ``{use: helm, with: {…}, when: …}``."""

    when: Name | None = None
    """An expression (CEL) over `values`, `rollout`, `target` and `trigger`; the renderer gives
    nothing where it is false."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave a condition out that there is not: documents are as they were written."""
        found: dict[str, Any] = handler(self)
        return {key: one for key, one in found.items() if key != "when" or one is not None}


def _from_name(value: Any) -> Any:
    if isinstance(value, str):
        return {"use": value}
    if not isinstance(value, Mapping | Use):
        raise expect("the name of a plugin, or {use, with}")
    return value


def _from_renderer(value: Any) -> Any:
    if isinstance(value, Use) and not isinstance(value, RendererUse):
        return {"use": value.name, "with": value.options}
    return _from_name(value)


def _read_block_name(value: str) -> str:
    if not re.fullmatch(BLOCK_NAME, value):
        raise refuse(f"expected TYPE/NAME of a block, as `prefect block ls` shows; got {value!r}")
    return value


def _from_block(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read ``{block: TYPE/NAME, with: {…}}``: options go over those of the block."""
    name, more = value[BLOCK], value.get("with", {})
    if not isinstance(name, str):
        raise refuse("expected the name of a block, TYPE/NAME", BLOCK)
    if not re.fullmatch(BLOCK_NAME, name):
        raise refuse(
            f"expected TYPE/NAME of a block, as `prefect block ls` shows; got {name!r}", BLOCK
        )
    if others := sorted(set(value) - {BLOCK, "with"}):
        raise refuse("stands beside 'block', which says it already", others[0])
    return {"use": BLOCK, "with": {"name": name, "with": more} if more else {"name": name}}


def _from_name_or_block(value: Any) -> Any:
    if isinstance(value, Mapping) and BLOCK in value:
        return _from_block(value)
    return _from_name(value)


def _from_source(value: Any) -> Any:
    if isinstance(value, Use):
        return value
    if not isinstance(value, Mapping):
        raise expect("{path: …}, or {use, with}")
    if not value:
        raise refuse("expected 'path', or 'use' and 'with'")
    if BLOCK in value:
        return _from_block(value)
    return _from_path(value) if "path" in value else value


def _from_path(value: Mapping[str, Any]) -> Mapping[str, Any]:
    path = value["path"]
    if "use" in value:
        raise refuse("stands under 'with' where 'use' names a source", "path")
    if not isinstance(path, str) or not path:
        raise refuse("expected the path of a folder", "path")
    if others := sorted(set(value) - {"path"}):
        raise refuse("unknown field beside 'path'; a source with options is {use, with}", others[0])
    return {"use": "path", "with": {"path": path}}


def _from_check(value: Any) -> Any:
    """Read ``healthy``, ``{healthy: {}}`` or ``{use: healthy}``."""
    if not isinstance(value, Mapping):
        return _from_name(value)
    if "use" in value or "with" in value:
        check = _with_comparisons(value)
    elif len(value) == 1:
        [(name, options)] = value.items()
        check = {"use": name, "with": _comparisons(options) if name == COMPARISONS else options}
        _refuse_odd_options(name, check["with"])
    else:
        raise refuse(f"expected one check in each entry; got {', '.join(value) or 'none'}")
    return {**check, "with": {}} if check.get("with") is None else check


def _with_comparisons(check: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read both forms of comparisons under ``with`` too."""
    if check.get("use") != COMPARISONS or not isinstance(check.get("with"), list | tuple):
        return check
    return {**check, "with": _comparisons(check["with"])}


def _comparisons(options: Any) -> Any:
    """Make the object form of the list form; refuse one that compares nothing (DOC-22, DOC-N6)."""
    expected = {"expectedValues": options} if isinstance(options, list | tuple) else options
    if not isinstance(expected, Mapping) or not expected.get("expectedValues"):
        raise refuse("compares nothing; expected a list of comparisons", COMPARISONS)
    return expected


def _refuse_odd_options(name: str, options: Any) -> None:
    if options is not None and not isinstance(options, Mapping):
        raise refuse("expected the options of the check, a mapping", name)


def _as_list(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value
    if not isinstance(value, str | Mapping | Use):
        raise expect("a renderer's name, {use, with}, or a list of them")
    return [value]


_CHECK_FORM = {
    "type": "object",
    "description": "One check by its name, with its options: {healthy: {}}.",
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        COMPARISONS: {
            "description": "Live fields that must have expected values, all at the same time.",
            "anyOf": [
                {"type": "array", "minItems": 1, "items": {"type": "object"}},
                {
                    "type": "object",
                    "required": ["expectedValues"],
                    "properties": {"expectedValues": {"type": "array", "minItems": 1}},
                },
            ],
        },
        "healthy": {"description": "The object is Current.", "type": ["object", "null"]},
    },
    "additionalProperties": {"type": ["object", "null"]},
    "not": {"anyOf": [{"required": ["use"]}, {"required": ["with"]}]},
}
_PATH_FORM = {
    "type": "object",
    "description": "A folder of this machine.",
    "required": ["path"],
    "properties": {
        "path": {
            "type": "string",
            "minLength": 1,
            "description": "The folder, relative to this document.",
        }
    },
    "additionalProperties": False,
}

_BLOCK_NAME_FORM = {"type": "string", "pattern": f"^{BLOCK_NAME}$"}
_BLOCK_FORM = {
    "type": "object",
    "description": "What a block of the Prefect server says.",
    "required": [BLOCK],
    "properties": {
        BLOCK: {**_BLOCK_NAME_FORM, "description": "The block: TYPE/NAME."},
        "with": {"type": "object", "description": "Options that go over those of the block."},
    },
    "additionalProperties": False,
}

BlockName = Annotated[
    str,
    Strict(),
    AfterValidator(_read_block_name),
    WithJsonSchema(_BLOCK_NAME_FORM, mode="validation"),
]
Named = Annotated[Use, Shorthand(_from_name, (_NAME_FORM,))]
"""A plugin by its name, or with options."""
NamedOrBlock = Annotated[Use, Shorthand(_from_name_or_block, (_NAME_FORM, _BLOCK_FORM))]
"""A plugin by its name, with options, or as a block of the Prefect server says."""
SourceUse = Annotated[Use, Shorthand(_from_source, (_PATH_FORM, _BLOCK_FORM))]
CheckUse = Annotated[Use, Shorthand(_from_check, (_NAME_FORM, _CHECK_FORM))]
_Renderer = Annotated[RendererUse, Shorthand(_from_renderer, (_NAME_FORM,))]
RendererUses = Annotated[tuple[_Renderer, ...], Field(min_length=1), OneOrMany(_as_list)]
