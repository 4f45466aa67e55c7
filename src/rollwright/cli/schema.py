"""``rollwright schema``: what documents may look like, for editors and programs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common
from rollwright.cli.output import write_document, write_table
from rollwright.errors import NotFound

_WRITTEN_BY_PEOPLE = {
    "Rollout": "a declared rollout: rollout.yaml",
    "Trigger": "what starts runs: trigger.yaml",
    "Site": "an installation: site.toml",
}
_READ_BY_PROGRAMS = {
    "Plan": "what plan -o json prints",
    "Report": "what rollout -o json and delete -o json print",
    "FanOut": "what fan-out -o json prints",
    "Status": "what status NAME -o json prints",
    "Timeline": "what status NAME --timeline -o json prints",
    "History": "what history NAME -o json prints",
    "Diff": "what diff NAME A B -o json prints",
    "Drift": "what drift NAME -o json prints",
    "Removal": "what delete NAME --mark|--cancel|--orphan|--keep -o json prints",
    "State": "what state show NAME -o json prints",
    "StateCheck": "what state check NAME -o json prints",
    "StateMove": "what state move FROM TO -o json prints",
    "Forgotten": "what state forget NAME -o json prints",
    "SavedPlan": "what plan --save writes, and rollout --plan carries out",
    "Feedback": "what a webhook of [feedback.NAME] is sent",
}


def schema(
    kind: str = "",
    /,
    *,
    output: Annotated[Literal["json", "yaml"], Parameter(name=["--output", "-o"])] = "json",
    common: Common = COMMON,
) -> None:
    """Print the JSON Schema of a kind of document.

    Parameters
    ----------
    kind
        Rollout, Trigger, Site, Plan, Report, Status, …; without it, list them.
    output
        How the schema is printed.
    """
    del common
    if kind:
        write_document(_schema_of(kind), output)
        return
    known = {**_WRITTEN_BY_PEOPLE, **_READ_BY_PROGRAMS}
    write_table(("KIND", "WHAT"), list(known.items()))


def _schema_of(kind: str) -> dict[str, Any]:
    from rollwright.engine.documents import schema_of
    from rollwright.rollouts.machine import state as machine_state
    from rollwright.rollouts.machine.feedback import feedback_schema
    from rollwright.rollouts.machine.fleet import fleet_schema
    from rollwright.rollouts.machine.forms import FORMS, machine_schema
    from rollwright.rollouts.saved.form import saved_plan_schema
    from rollwright.rollouts.timeline.form import timeline_schema

    whole = {
        "fanout": fleet_schema,
        "feedback": feedback_schema,
        "savedplan": saved_plan_schema,
        "timeline": timeline_schema,
    }.get(kind.lower())
    if whole is not None:
        return whole()
    if (care := {name.lower(): name for name in machine_state.FORMS}.get(kind.lower())) is not None:
        return machine_state.state_schema(care)
    machine = {name.lower(): name for name in FORMS}
    if kind.lower() in machine:
        return machine_schema(machine[kind.lower()])
    if kind.lower() not in {name.lower() for name in _WRITTEN_BY_PEOPLE}:
        known = ", ".join([*_WRITTEN_BY_PEOPLE, *_READ_BY_PROGRAMS])
        raise NotFound(f"no schema of kind {kind!r}; known: {known}")
    return schema_of(kind)
