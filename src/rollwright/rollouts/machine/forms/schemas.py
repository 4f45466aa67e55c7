"""The JSON Schemas of the documents that programs get.

Before: the modules beside this one hold the shapes, as types.
After: ``rollwright schema`` prints a schema; editors and tests check documents with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rollwright.rollouts.machine.forms import drifts, histories, parts, plans, reports, states
from rollwright.rollouts.machine.forms.drifts import DriftForm
from rollwright.rollouts.machine.forms.histories import DiffForm, HistoryForm
from rollwright.rollouts.machine.forms.plans import PlanForm
from rollwright.rollouts.machine.forms.reports import ReportForm
from rollwright.rollouts.machine.forms.states import RemovedForm, StatusForm

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BASE = "https://rollwright.dev/schemas/v1alpha1"

FORMS: Mapping[str, Any] = {
    "History": HistoryForm,
    "Diff": DiffForm,
    "Plan": PlanForm,
    "Report": ReportForm,
    "Status": StatusForm,
    "Drift": DriftForm,
    "Removal": RemovedForm,
}
"""The kinds of documents that programs get."""

_INSTANTS = frozenset({
    "madeAt", "startedAt", "endedAt", "readAt", "receivedAt", "since", "at",
    "markedAt", "dueAt", "protectedDueAt",
})  # fmt: skip


def machine_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one of ``FORMS``."""
    return schema_of_form(kind, FORMS[kind])


def schema_of_form(kind: str, document: Any, more: Iterable[Any] = ()) -> dict[str, Any]:
    """Return the JSON Schema of a document whose form stands anywhere.

    Args:
        kind: Of the document.
        document: Its form.
        more: Forms of other modules that it is made of.
    """
    from pydantic import TypeAdapter  # noqa: PLC0415  (0.1 s; printing a plan needs none)

    for form in (*_all_forms(), *more):
        # A statement in the body of a TypedDict is an error, so this is said from outside.
        form.__pydantic_config__ = {"use_attribute_docstrings": True}
    schema = _tidied(TypeAdapter(document).json_schema())
    fields = schema["properties"]
    fields["apiVersion"] = {"const": "rollwright.dev/v1alpha1"}
    fields["kind"] = {"const": kind}
    head = {"$schema": _DIALECT, "$id": f"{_BASE}/{kind.lower()}.json", "title": kind}
    return {**head, **schema}


def _all_forms() -> list[Any]:
    modules = (drifts, histories, parts, plans, reports, states)
    return [
        one for module in modules for name, one in vars(module).items() if name.endswith("Form")
    ]


def _tidied(value: Any) -> Any:
    """Drop generated titles, and say which texts are instants."""
    if isinstance(value, list):
        return [_tidied(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _tidied(item) for key, item in value.items() if key != "title"}
    for name, form in (found.get("properties") or {}).items():
        if name in _INSTANTS:
            form.update(_as_instant(form))
    return found


def _as_instant(form: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string", "format": "date-time"}
    return {"anyOf": [text, {"type": "null"}]} if "anyOf" in form else text
