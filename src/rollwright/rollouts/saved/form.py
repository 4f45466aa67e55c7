"""The JSON Schema of a saved plan: that of a plan, and what makes it a file to carry out.

Before: ``machine.forms`` has the plan's. After: ``rollwright schema SavedPlan`` prints it.
"""

from __future__ import annotations

from typing import Any

from rollwright.rollouts.machine.forms import machine_schema
from rollwright.rollouts.saved.saved_plan import FORMAT

_DIGEST = r"^sha256:[0-9a-f]{64}$"


def saved_plan_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file that ``plan --save`` writes."""
    schema = machine_schema("Plan")
    identity = schema["$id"].replace("/plan.json", "/savedplan.json")
    more = _frame()
    return {
        **schema,
        "$id": identity,
        "title": "SavedPlan",
        "description": "A plan that rollout --plan carries out exactly as it is, or refuses.",
        "properties": {**schema["properties"], **more},
        "required": [*schema.get("required", ()), *more],
    }


def _frame() -> dict[str, Any]:
    return {
        "digest": _digest("Of everything that was decided; not of who saved it, and when."),
        "effectDigest": _digest("Equal for plans that do the same; the same as id."),
        "fileDigest": _digest("Of the whole file but this line."),
        "createdBy": {"type": "string", "description": "Who made it, as person@host."},
        "expiresAt": {
            "type": "string",
            "format": "date-time",
            "description": "When it may no longer be carried out.",
        },
        "reason": {"type": "string", "description": "Why it was made, such as manual."},
        "execution": {
            "type": "object",
            "description": "What carrying it out needs; for Rollwright alone.",
            "properties": {
                "format": {"const": FORMAT},
                "plan": {"type": "object"},
                "basis": {"type": "object"},
            },
            "required": ["format", "plan", "basis"],
            "additionalProperties": False,
        },
    }


def _digest(text: str) -> dict[str, str]:
    return {"type": "string", "pattern": _DIGEST, "description": text}
