"""A plan as a file: nothing is lost on the way, and nothing that was changed is read."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import jsonschema_rs
import pytest

from rollwright.errors import InvalidDocument, Refused
from rollwright.rollouts.change import Change, Edge, Gate, Operation, Prediction, Way
from rollwright.rollouts.diff import ABSENT, Conflict, FieldChange
from rollwright.rollouts.identity import identify
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import ObjectRef, digest_of
from rollwright.rollouts.ownership.migration import Migration
from rollwright.rollouts.plan import Guard, Plan, Planned, Rollback, Step
from rollwright.rollouts.saved.basis import Basis, basis_of
from rollwright.rollouts.saved.form import saved_plan_schema
from rollwright.rollouts.saved.plain_values import from_plain, to_plain
from rollwright.rollouts.saved.saved_plan import (
    REBUILT,
    SavedPlan,
    bare,
    decode,
    encode,
    is_shown,
    map_changes,
    save,
)
from rollwright.rollouts.saved.sent_bodies import SentFact, sent_fact, with_edits

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
A = ObjectRef("", "ConfigMap", "shop", "a")

SENT = w.a_manifest(w.a_config("a", k="sent"))
MIGRATION = Migration(
    api_version="v1", former=frozenset({"m"}), dropped=frozenset({("f:data", "f:k")})
)
DECIDES = {
    Plan: {
        "rollout", "cluster_id", "source", "waves", "guards", "kept", "forgotten",
        "wanted_digest", "rollback", "allowed", "undo", "on_failure",
    },
    Change: {
        "ref", "api_version", "operation", "wanted", "live_uid", "live_digest", "prediction",
        "predicted_digest", "conflicts", "wave", "needs", "gates", "is_skipped", "propagation",
        "sent", "manager", "taken_over", "way",
    },
    Step: {
        "name", "action", "changes", "gates", "needs", "group", "plugin", "success", "failure",
        "must_wait", "continue_on_error", "timeout", "retry_count", "digest", "done_by",
    },
    Gate: {"id", "rule", "members"},
}  # fmt: skip
"""Fields that the id covers."""

DECIDES_NOTHING = {
    Plan: {
        "id", "cluster", "made_at", "notes", "server_version", "state_version",
        "is_remembered", "is_pinned", "blast", "course_digest", "hooks",
    },
    Change: {
        "why", "live_resource_version", "predicted_owned_digest", "fields", "level", "is_owned",
        "is_remembered", "is_immutable", "is_passed", "owned_digest", "status", "notes",
        "webhook", "migration", "ignored", "rules_digest", "follows",
    },
    Step: {"is_settled", "hook"},
    Gate: set(),
}  # fmt: skip
"""Fields that follow from others, or that move while nothing is decided anew."""


def a_saved_plan() -> SavedPlan:
    world = w.World()
    world.roll_out(w.a_config("a"), w.a_config("b"), w.a_config("d"))
    wanted = w.a_set(w.a_config("a", k="2"), w.a_config("b"), w.a_config("c"))
    plan = world.plan(wanted)
    sources = (wanted, world.live(), world.state)
    basis = basis_of(plan, world.spec, {"site.name": digest_of("x")}, sources, "rollwright 0.1.0")
    return save(plan, basis, created_by="ada@desk")


SAVED = a_saved_plan()
TEXT = encode(SAVED)


def changed(**document):
    """Return the text with parts of the document replaced, as an editor would."""
    return json.dumps({**json.loads(TEXT), **document}).encode()


def test_what_is_read_is_what_was_written():
    assert decode(TEXT, where="plan.json") == SAVED


def test_the_same_plan_gives_the_same_text():
    assert encode(decode(TEXT, where="plan.json")) == TEXT


def test_the_file_is_a_plan_for_programs_too():
    document = json.loads(TEXT)

    assert (document["kind"], document["id"], document["summary"]["update"]) == (
        "Plan", SAVED.id, 1,
    )  # fmt: skip


def test_the_file_fits_its_schema():
    validator = jsonschema_rs.validator_for(saved_plan_schema(), validate_formats=True)

    assert [str(error) for error in validator.iter_errors(json.loads(TEXT))] == []


def test_a_plan_lives_seven_days():
    assert SAVED.expires_at - SAVED.plan.made_at == timedelta(days=7)


@pytest.mark.parametrize("position", range(0, len(TEXT), 61))
def test_a_changed_byte_is_refused(position):
    text = bytearray(TEXT)
    text[position] = text[position] ^ 1

    with pytest.raises((Refused, InvalidDocument)):
        decode(bytes(text), where="plan.json")


@pytest.mark.parametrize(
    "document",
    [
        {"expiresAt": "2099-01-01T00:00:00Z"},
        {"createdBy": "eve"},
        {"id": "sha256:" + "0" * 64},
        {"madeAt": "2024-01-01T00:00:00Z"},
        {"more": 1},
        {},
    ],
)
def test_an_edited_file_is_refused(document):
    with pytest.raises(Refused, match="is not as it was saved"):
        decode(changed(**document), where="plan.json")


def test_a_file_cut_off_is_refused():
    with pytest.raises(Refused, match="no JSON, or damaged"):
        decode(TEXT[: len(TEXT) // 2], where="plan.json")


@pytest.mark.parametrize("text", [b"[]", b"1", b'{"kind": "Rollout"}', b'{"kind": "Plan"}'])
def test_something_else_is_no_saved_plan(text):
    with pytest.raises(InvalidDocument) as caught:
        decode(text, where="plan.json")

    assert "--save" in str(caught.value.hint)


def test_a_newer_format_says_what_to_do():
    execution = {**json.loads(TEXT)["execution"], "format": 2}

    with pytest.raises(Refused) as caught:
        decode(changed(execution=execution), where="plan.json")

    assert "upgrade" in str(caught.value.hint)


def test_deep_nesting_is_refused():
    with pytest.raises(Refused):
        decode(b"[" * 100_000, where="plan.json")


def test_what_is_shown_is_what_is_carried_out():
    prune = next(one for one in SAVED.plan.changes if one.operation == "prune")
    other = map_changes(SAVED.plan, lambda one: None if one == prune else one)

    assert (is_shown(SAVED), is_shown(replace(SAVED, plan=other))) == (True, False)


# ------------------------------------------------------------------ nothing is lost


def full(kind):
    """Return a value of each field of a plan's dataclass, none of them its default."""
    texts = {one.name: f"{one.name}!" for one in fields(kind) if one.type == "str"}
    flags = {one.name: one.default is not True for one in fields(kind) if one.type == "bool"}
    counts = {one.name: 7 for one in fields(kind) if one.type == "int"}
    return {**texts, **flags, **counts}


def a_full_plan() -> Plan:
    change = Change(**{
        **full(Change), "ref": A, "operation": Operation.UPDATE,
        "prediction": Prediction.SIMULATED, "sent": SENT, "migration": MIGRATION,
        "taken_over": ("kubectl",), "ignored": ("spec.replicas",),
        "fields": (FieldChange(path="a", old=1, new=ABSENT), FieldChange(path="b", old=None, new=[])),
        "conflicts": (Conflict(path="p", manager="m"),), "needs": (Edge(ref=A, rule="OR-1"),),
        "gates": ("g",), "notes": ("n",), "wanted": SENT,
    })  # fmt: skip
    gate = Gate(id="g", rule="OR-34", members=(A,))
    use = Planned(name="u", options="{}", words="does it")
    step = Step(
        name="s", action="Apply", changes=(change,), gates=(gate,), needs=("t",), group="g",
        plugin=use, success=(use,), failure=(use,), must_wait=False, continue_on_error=True,
        timeout=timedelta(seconds=5), retry_count=2, is_settled=False, digest="d", done_by="r",
    )  # fmt: skip
    plan = SAVED.plan
    (wave, *_) = plan.waves
    return replace(
        plan, waves=(replace(wave, steps=(step,)),), notes=("n",), allowed=("x",),
        guards=(Guard(**full(Guard)),), kept={A: "why"}, forgotten={A: "gone"},
        rollback=Rollback(**full(Rollback)), undo=(replace(wave, steps=(step,)),),
    )  # fmt: skip


def read_again(value, kind):
    return from_plain(json.loads(json.dumps(to_plain(value, kind, REBUILT))), kind, REBUILT)


def test_every_field_of_a_plan_is_written_or_made_anew():
    plan = a_full_plan()
    again = read_again(plan, Plan)

    assert replace(again, id=plan.id, made_at=plan.made_at, is_pinned=plan.is_pinned) == bare(plan)


def test_a_basis_is_written_with_all_its_fields():
    assert read_again(SAVED.basis, Basis) == SAVED.basis


@pytest.mark.parametrize("kind", REBUILT)
def test_what_is_made_anew_is_a_field(kind):
    assert REBUILT[kind] <= {one.name for one in fields(kind)}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ([], "expected dict, got list"),
        ({"id": "g", "rule": "r", "members": [], "more": 1}, "unknown more"),
        ({"id": "g", "rule": "r"}, "members: is missing"),
        ({"id": 1, "rule": "r", "members": []}, "expected str, got int"),
        ({"id": "g", "rule": "r", "members": [["", "ConfigMap", "shop"]]}, "is (shorter|longer)"),
        ({"id": "g", "rule": "r", "members": [["", "ConfigMap", "shop", 1]]}, "expected str"),
    ],
)
def test_a_value_of_another_form_is_refused(data, why):
    with pytest.raises(InvalidDocument, match=why):
        from_plain(data, Gate, REBUILT, "x")


# ------------------------------------------------------------------ the id


def other_than(value):
    """Return a value of the same kind that is another one."""
    match value:
        case bool():
            return not value
        case Operation():
            return Operation.ADOPT
        case Prediction():
            return Prediction.NONE
        case Way():
            return Way.PUT
        case str():
            return f"{value}x"
        case int():
            return value + 1
        case ObjectRef():
            return value._replace(name="other")
        case tuple() | None:
            return ()
    return None


def id_with(name, value):
    plan = map_changes(a_full_plan(), lambda one: replace(one, **{name: value}))
    return identify(plan, w.a_spec())


@pytest.mark.parametrize("kind", DECIDES)
def test_every_field_decides_something_or_is_known_not_to(kind):
    """Somebody who adds a field says which of the two it is."""
    assert DECIDES[kind] | DECIDES_NOTHING[kind] == {one.name for one in fields(kind)}


@pytest.mark.parametrize("name", sorted(DECIDES[Change]))
def test_what_decides_about_a_change_is_in_the_id(name):
    plan = a_full_plan()
    value = getattr(next(iter(plan.changes)), name)

    assert id_with(name, other_than(value)) != identify(plan, w.a_spec())


@pytest.mark.parametrize("name", sorted(DECIDES_NOTHING[Change]))
def test_what_decides_nothing_is_not_in_the_id(name):
    plan = a_full_plan()
    value = getattr(next(iter(plan.changes)), name)

    assert id_with(name, other_than(value)) == identify(plan, w.a_spec())


@pytest.mark.parametrize(
    "sent",
    [
        {"a": 1},
        {"a": {"b": 1, "c": [1]}, "d": None},
        {"a": {"b": {"new": True}}, "e": {}},
        {},
    ],
)
def test_what_is_sent_is_made_of_the_manifest_again(sent):
    wanted = w.a_manifest(w.a_config(spec={"b": 1, "c": [1, 2]}))
    body = {**wanted.body, "data": sent}
    change = replace(
        next(iter(a_full_plan().changes)), wanted=wanted, sent=replace(wanted, body=body)
    )
    fact = read_again(sent_fact(change), SentFact)

    assert with_edits(wanted, fact, None) == replace(wanted, body=body)


def test_what_is_sent_of_a_secret_is_read_from_the_live_one():
    secret = w.a_body("Secret", "s", data={"mine": "b3Vycw==", "theirs": "YQ=="})
    wanted, live = w.a_manifest(secret), {**secret, "data": {"theirs": "aHVudGVyMg=="}}
    sent = replace(wanted, body={**secret, "data": {"mine": "b3Vycw==", "theirs": "aHVudGVyMg=="}})
    change = replace(next(iter(a_full_plan().changes)), wanted=wanted, sent=sent)
    fact = sent_fact(change)

    assert "aHVudGVyMg==" not in str(fact)
    assert with_edits(wanted, fact, live_object(live)) == sent
