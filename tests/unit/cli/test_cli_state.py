"""``state``: what is typed wrong, and what its documents look like."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.machine.state import (
    check_form,
    forgotten_form,
    move_form,
    state_form,
    state_schema,
)
from rollwright.rollouts.state_care import Moved, StateCheck, check_inventory
from rollwright.testing.store_contract import AN_INSTANT, a_full_state


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A kubeconfig that is not there."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("move", "default"), 2, "target"),
        (("move", "a", "b", "--lock-wait", "soon"), 2, "--lock-wait"),
        (("show",), 2, "name"),
        (("show", "shop", "-o", "xml"), 2, "-o"),
        (("check",), 2, "name"),
        (("forget", "shop"), 2, "--confirm shop"),
        (("forget", "shop", "--confirm", "shop-1"), 4, "nothing was changed"),
        (("froget", "shop"), 2, "forget"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(run, words, code, told):
    done = run("state", *words)

    assert (done.code, done.out, told in done.err.lower()) == (code, "", True), done.err


@pytest.mark.parametrize(
    "words",
    [
        ("show", "shop"),
        ("check", "shop"),
        ("move", "default", "default2"),
        ("forget", "shop", "--confirm", "shop"),
    ],
)
def test_without_a_cluster_nothing_can_be_looked_up(run, nowhere, words):
    done = run("state", *words)

    assert (done.code, done.out) == (2, ""), done.err


def test_help_lists_what_can_be_done(run):
    done = run("state", "--help")

    assert [word for word in ("show", "check", "move", "forget") if word not in done.out] == []


STATE = a_full_state()
CHECK = StateCheck(
    rollout="shop",
    cluster="prod",
    store="default",
    state=STATE,
    read_at=AN_INSTANT,
    findings=check_inventory(STATE, LiveSet(objects={}, read_at=AN_INSTANT)),
    notes=("a note",),
)
MOVED = Moved(
    rollout="shop", is_new=True, snapshot_count=1, lost=("sha256:0",), is_removed=True, version="1"
)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("State", state_form(STATE, cluster="prod", store="default")),
        ("StateCheck", check_form(CHECK)),
        ("StateMove", move_form("default", "new", [MOVED])),
        ("Forgotten", forgotten_form(STATE, "default")),
    ],
)
def test_every_document_is_as_its_schema_says(kind, form):
    document = json.loads(json.dumps(form))

    assert [*jsonschema_rs.validator_for(state_schema(kind)).iter_errors(document)] == []


@pytest.mark.parametrize("kind", ["State", "StateCheck", "StateMove", "Forgotten"])
def test_the_schemas_can_be_printed(run, kind):
    done = run("schema", kind)

    assert (done.code, json.loads(done.out)["title"]) == (0, kind)


def test_a_state_is_printed_whole():
    form = state_form(STATE, cluster="prod", store="default")

    assert (form["rollout"], form["token"], len(form["inventory"]), len(form["revisions"])) == (
        "shop", 41, 2, 2,
    )  # fmt: skip
    assert form["interrupted"] is not None
    assert form["interrupted"]["runId"] == "run-7"


def test_every_object_that_is_missing_is_found():
    assert [(one.ref.name, one.what) for one in CHECK.findings] == [
        ("web-1", "missing"),
        ("web-2", "missing"),
    ]
