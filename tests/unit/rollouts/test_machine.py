"""What programs read: every form fits its schema, and nothing in it is undocumented."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jsonschema_rs
import orjson
import pytest

from rollwright.rollouts.change import Change, Edge, Gate, Operation, Prediction
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.diff import ABSENT, Conflict, FieldChange, compare
from rollwright.rollouts.drift.fields import FieldDrift
from rollwright.rollouts.drift.find import Drift, DriftKind, ObjectDrift
from rollwright.rollouts.drift.holders import Holder
from rollwright.rollouts.machine.drift import drift_form
from rollwright.rollouts.machine.forms import FORMS, machine_schema
from rollwright.rollouts.machine.history import diff_form, history_form
from rollwright.rollouts.machine.objects import objects_form
from rollwright.rollouts.machine.plans import plan_form
from rollwright.rollouts.machine.records import removed_form
from rollwright.rollouts.machine.reports import report_form
from rollwright.rollouts.machine.statuses import status_form
from rollwright.rollouts.machine.values import instant, list_form
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef, Origin, ref_of
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.plan import Guard, Plan, Rollback, Step, Wave
from rollwright.rollouts.pruning.marks import make_removal_mark
from rollwright.rollouts.report import ChangeResult, Outcome, Report, StepResult
from rollwright.rollouts.revisions.history import (
    History,
    ObjectDifference,
    RevisionDiff,
    history_of,
)
from rollwright.rollouts.state import (
    AuditEntry,
    Hold,
    InventoryEntry,
    Journal,
    Revision,
    RolloutState,
)
from rollwright.rollouts.status import Evidence, HealthWarning, ObjectStatus, Status
from rollwright.rollouts.trigger import Trigger

AT = datetime(2026, 5, 4, 10, 0, 0, tzinfo=UTC)
WEB = ObjectRef("apps", "Deployment", "shop", "web")
SETTINGS = ObjectRef("", "ConfigMap", "shop", "settings")
OLD = ObjectRef("", "Service", "shop", "old")
BODY = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
STATUS = ObjectStatus(
    ref=WEB,
    status=Status.IN_PROGRESS,
    reason="LessReady",
    message="Ready: 1/2",
    rule="apps.Deployment.ready",
    since=AT,
    warnings=(HealthWarning(code="W", text="w"),),
    evidence=(Evidence(kind="Pod", name="web-1", uid="u", text="pulling"),),
)


def manifest(body: Any = BODY, key: str = "web.yaml") -> Manifest:
    return Manifest(body=body, ref=ref_of(body), key=key, origin=Origin(file=key, line=3))


def a_plan(*fields: FieldChange) -> Plan:
    update = Change(
        ref=WEB, api_version="apps/v1", operation=Operation.UPDATE, why="differs",
        wanted=manifest(), live_uid="u1", live_resource_version="7",
        prediction=Prediction.SERVER, predicted_digest="sha256:aa", fields=fields,
        conflicts=(Conflict(path="spec.replicas", manager="kubectl", message="m"),),
        level=1, needs=(Edge(ref=SETTINGS, rule="OR-34"),), gates=("g",), status=STATUS,
        notes=("look",),
    )  # fmt: skip
    create = Change(ref=SETTINGS, api_version="v1", operation=Operation.CREATE, wanted=manifest())
    prune = Change(ref=OLD, api_version="v1", operation=Operation.PRUNE, live_uid="u2")
    gate = Gate(id="g", rule="OR-34", members=(SETTINGS,))
    apply = Step(name="apply-0", action="Apply", changes=(create, update), gates=(gate,))
    last = Step(name="prune-0", action="Prune", changes=(prune,), needs=("apply-0",))
    return Plan(
        id="sha256:1", rollout="shop", cluster="prod", cluster_id="c", source="path@sha256:2",
        waves=(Wave(name="apply-0", steps=(apply,)), Wave(name="prune-0", steps=(last,))),
        guards=(Guard(id="PR-02", limit="50 %", value="60 %", is_breached=True, message="no"),),
        kept={OLD: "protected"}, forgotten={SETTINGS: "gone"}, made_at=AT, notes=("n",),
        server_version="v1.36.3",
    )  # fmt: skip


def a_report() -> Report:
    result = ChangeResult(
        ref=WEB, operation=Operation.UPDATE, outcome=Outcome.FAILED, message="m", hint="h",
        status=STATUS, uid="u", resource_version="8", started_at=AT,
        ended_at=AT + timedelta(seconds=1.5),
        conflicts=(Conflict(path="spec.replicas", manager="kubectl"),),
    )  # fmt: skip
    step = StepResult(
        step="apply-0", outcome=Outcome.FAILED, changes=(result,), started_at=AT,
        ended_at=AT + timedelta(seconds=2),
    )  # fmt: skip
    trigger = Trigger(id="t", kind="manual", rollout="shop", actor="me@here", received_at=AT)
    return conclude(a_plan(), trigger, (step,), run_id="r", calls={"apply": 2})


def an_overview() -> Overview:
    entry = InventoryEntry(ref=OLD, api_version="v1", why_kept="protected")
    state = RolloutState(
        rollout="shop", cluster_id="c", inventory=(entry,),
        revisions=(Revision(
            number=3, source="path@sha256:2", digest="sha256:3", outcome="succeeded", actor="me",
            started_at=AT, ended_at=AT + timedelta(minutes=2),
        ),),
        journal=Journal(
            run_id="r", plan_id="p", owner="me", token=4, started_at=AT, planned=(WEB,)
        ),
        hold=Hold(reason="why", actor="me", since_at=AT),
    )  # fmt: skip
    return Overview(rollout="shop", cluster="prod", state=state, statuses=(STATUS,), read_at=AT)


def a_drift() -> Drift:
    holder = Holder(manager="kubectl", operation="Update", subresource="scale", at=AT)
    fields = (
        FieldDrift(path="spec.replicas", old=3, new=5, holder=holder),
        FieldDrift(path="metadata.labels.a", old="b", new=ABSENT),
    )
    changed = ObjectDrift(ref=WEB, kind=DriftKind.CHANGED, message="m", fields=fields)
    missing = ObjectDrift(ref=OLD, kind=DriftKind.MISSING, message="m", holder=Holder(at=AT))
    return Drift(
        rollout="shop", cluster="prod", revision=3, source="path@sha256:2", read_at=AT,
        object_count=2, objects=(missing, changed), notes=("n",),
    )  # fmt: skip


def gone_back(plan: Plan) -> Plan:
    return replace(plan, rollback=Rollback(revision=3, snapshot="s", reason="failed"))


def a_history() -> History:
    entry = AuditEntry(at=AT, kind="hold", actor="ada", message="failed")
    return replace(history_of(an_overview().state, "prod"), audit=(entry,))


def a_revision_diff() -> RevisionDiff:
    (revision, *_) = an_overview().state.revisions
    field = FieldChange(path="data.a", old=ABSENT, new="b")
    changed = ObjectDifference(ref=SETTINGS, kind="changed", fields=(field,))
    added = ObjectDifference(ref=WEB, kind="added")
    return RevisionDiff(
        rollout="shop", cluster="prod", old=revision, new=revision, objects=(changed, added)
    )


def forms() -> dict[str, list[Any]]:
    empty = replace(an_overview(), state=RolloutState(rollout="shop"), statuses=())
    plan = a_plan(
        FieldChange(path="a", old=1, new=ABSENT), FieldChange(path="b", old=ABSENT, new=2)
    )
    idle = replace(plan, waves=())
    trigger = Trigger(id="t", kind="manual", rollout="shop", actor="", received_at=AT)
    return {
        "Plan": [plan_form(plan), plan_form(idle), plan_form(gone_back(plan))],
        "Report": [
            report_form(a_report()),
            report_form(conclude(idle, trigger, ())),
            report_form(replace(a_report(), rollback=conclude(gone_back(plan), trigger, ()))),
        ],
        "Status": [status_form(an_overview()), status_form(empty)],
        "History": [history_form(a_history()), history_form(replace(a_history(), hold=None))],
        "Diff": [diff_form(a_revision_diff())],
        "Drift": [drift_form(a_drift()), drift_form(replace(a_drift(), objects=()))],
        "Removal": [
            removed_form("shop", "mark", "marked", [WEB], make_removal_mark("sha256:1", "ada", AT)),
            removed_form("shop", "keep", "forgotten", [], None),
        ],
    }


def strict(schema: Any) -> Any:
    """Return a schema that allows only what it documents."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    return {**found, "additionalProperties": False} if "properties" in found else found


@pytest.mark.parametrize("kind", FORMS)
def test_every_form_fits_its_schema(kind):
    validator = jsonschema_rs.validator_for(strict(machine_schema(kind)), validate_formats=True)
    errors = [error for form in forms()[kind] for error in validator.iter_errors(form)]

    assert [str(error.message) for error in errors] == []


@pytest.mark.parametrize("kind", FORMS)
def test_a_schema_asks_for_its_kind(kind):
    validator = jsonschema_rs.validator_for(machine_schema(kind))

    assert not validator.is_valid({**forms()[kind][0], "kind": "Other"})


@pytest.mark.parametrize("kind", FORMS)
def test_instants_have_their_format(kind):
    validator = jsonschema_rs.validator_for(machine_schema(kind), validate_formats=True)
    form = forms()[kind][0]
    inner = (form.get("old", {}), form.get("removal") or {})
    places = (form, *form.get("revisions", ()), *inner)
    keys = ("madeAt", "startedAt", "readAt", "markedAt")
    place, key = next((one, key) for one in places for key in keys if key in one)
    place[key] = "yesterday"

    assert not validator.is_valid(form)


@pytest.mark.parametrize("kind", FORMS)
def test_forms_are_json(kind):
    for form in forms()[kind]:
        assert orjson.loads(orjson.dumps(form)) == form


def test_instants_are_utc():
    at = datetime(2026, 5, 4, 12, 0, tzinfo=timezone(timedelta(hours=2)))

    assert instant(at) == "2026-05-04T10:00:00Z"


def test_durations_are_seconds():
    step = report_form(a_report())["steps"][0]

    assert (step["durationSeconds"], step["changes"][0]["durationSeconds"]) == (2.0, 1.5)


def test_fields_that_come_or_go_have_one_side():
    form = forms()["Plan"][0]["waves"][0]["steps"][0]["changes"][1]

    assert form["fields"] == [{"path": "a", "old": 1}, {"path": "b", "new": 2}]


def test_secrets_stand_as_digests():
    def secret(value: str) -> Any:
        return {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"},
            "stringData": {"token": value},
        }  # fmt: skip

    fields = compare(secret("hunter2"), secret("correct horse"), salt="s")
    text = orjson.dumps(plan_form(a_plan(*fields))).decode()

    assert ("hunter2" in text, "correct horse" in text, "sha256:" in text) == (False, False, True)


def test_a_plan_counts_every_operation():
    assert plan_form(a_plan())["summary"] == {
        "create": 1, "update": 1, "adopt": 0, "replace": 0, "prune": 1, "run": 0,
        "keep": 0,
    }  # fmt: skip


def test_objects_stand_under_their_keys_in_the_order_of_the_source():
    wanted = ManifestSet((manifest(key="b.yaml"), manifest(key="a.yaml")))

    assert list(objects_form(wanted, {})["objects"]) == ["b.yaml", "a.yaml"]


def test_no_object_is_lost_to_a_key_that_stands_twice():
    wanted = ManifestSet((manifest(key="a"), manifest(key="a"), manifest(key="")))

    assert list(objects_form(wanted, {})["objects"]) == ["a", "a#2", "Deployment/web"]


def test_lists_name_their_items():
    assert list_form("LockList", [1]) == {
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "LockList", "items": [1],
    }  # fmt: skip
