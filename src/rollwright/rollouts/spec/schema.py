"""JSON Schemas of the documents, as editors read them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from rollwright.rollouts.spec.durations import format_duration
from rollwright.rollouts.spec.part import Part

_DURATION = TypeAdapter(timedelta)
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BASE = "https://rollwright.dev/schemas/v1alpha1"


def schema_of_model(model: type[Part], kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one kind of document, spelled as users spell it.

    Args:
        model: The model of the whole document.
        kind: What the document is called, such as ``Rollout``.
    """
    schema = _without_titles(model.model_json_schema(by_alias=True))
    sections = schema.get("$defs", {})
    for section in (schema, *sections.values()):
        fields = section.get("properties", {})
        fields.update({name: _field(form, sections) for name, form in fields.items()})
    head = {"$schema": _DIALECT, "$id": f"{_BASE}/{kind.lower()}.json", "title": kind}
    return {**head, **schema}


def _is_duration(default: Any) -> bool:
    return isinstance(default, str) and default.startswith("P") and default[1:2] in {"T", "0"}


def _without_titles(value: Any) -> Any:
    """Drop generated titles, which only repeat the names of fields.

    NB: a field may itself be called ``title``; below ``properties`` keys are names.
    """
    if isinstance(value, list):
        return [_without_titles(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: _without_titles(form) for name, form in item.items()}
        if key in {"properties", "$defs"}
        else _without_titles(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str))
    }


def _field(form: dict[str, Any], sections: dict[str, Any]) -> dict[str, Any]:
    """Describe a field like the section it holds, and allow ``null`` where ``Part`` does."""
    section = sections.get(str(form.get("$ref", "")).rpartition("/")[2], {})
    form = {"description": section.get("description", ""), **form}
    if _is_duration(form.get("default")):
        # NB: pydantic spells defaults as ISO 8601; documents do not.
        form["default"] = format_duration(_DURATION.validate_python(form["default"]))
    if not isinstance(form.get("default"), list | dict):
        return form
    head: dict[str, Any] = {key: form[key] for key in ("description", "default")}
    inner = {key: value for key, value in form.items() if key not in head}
    return {**head, "anyOf": [inner, {"type": "null"}]}
