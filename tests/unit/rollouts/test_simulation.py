"""What is said of objects that the server cannot be asked about yet (AP-67, AP-68)."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pytest

from rollwright.rollouts.candidates import unasked
from rollwright.rollouts.change import Forecast, Operation, Prediction
from rollwright.rollouts.guards import with_approval
from rollwright.rollouts.planning import make_plan
from rollwright.rollouts.simulation import contradictions, simulate, with_defaults

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
UNKNOWN = frozenset({("example.com/v1", "Basket")})
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {"size": {"type": "integer", "default": 3}, "color": {"type": "string"}},
        }
    },
}


def a_crd(schema=None, **more):
    version = {"name": "v1", "served": True, "schema": {"openAPIV3Schema": schema or SCHEMA}}
    return w.a_crd(versions=[version], **more)


def a_basket(name="b", **spec):
    return w.a_body("Basket", name, "shop", "example.com/v1", spec=spec)


def notes_on(*bodies, name="b", **facts):
    wanted, live = w.a_set(*bodies), w.a_live_set(**facts)
    return next(one.notes for ref, one in simulate(wanted, live).items() if ref.name == name)


# ------------------------------------------------------------------ notes


def test_an_object_of_a_new_definition_tells_what_was_checked_and_what_is_open():
    told = notes_on(a_crd(), a_basket(color="red"), unknown_kinds=UNKNOWN)

    assert told == (
        "checked against the schema of baskets.example.com in this plan",
        "left open: admission",
        "the schema fills in spec.size: 3",
    )


def test_conversion_and_rules_are_left_open():
    schema = {**SCHEMA, "x-kubernetes-validations": [{"rule": "a"}, {"rule": "b"}]}
    crd = a_crd(schema, conversion={"strategy": "Webhook"})

    told = notes_on(crd, a_basket(size=1), unknown_kinds=UNKNOWN)

    assert told[1] == "left open: admission, conversion, 2 CEL rules of the schema"


def test_a_new_namespace_leaves_its_quotas_and_policies_open():
    told = notes_on(w.a_config("b"), absent_namespaces=frozenset({"shop"}))

    assert told == (
        "checked against the schema of its kind",
        "left open: admission, quotas, policies and pod security of the new namespace",
    )


def test_a_kind_of_an_api_service_is_not_checked_at_all():
    service = w.a_body(
        "APIService", "v1.example.com", "", "apiregistration.k8s.io/v1",
        spec={"group": "example.com", "version": "v1"},
    )  # fmt: skip

    told = notes_on(service, a_basket(), unknown_kinds=UNKNOWN)

    assert told == ("nothing could be checked: an APIService of this plan serves its kind",)


def test_a_definition_without_a_schema_is_told():
    crd = w.a_crd(versions=[{"name": "v1", "served": True}])

    told = notes_on(crd, a_basket(), unknown_kinds=UNKNOWN)

    assert told[0].startswith("only its metadata was checked")


def test_a_live_definition_counts_for_a_new_namespace():
    facts = {"absent_namespaces": frozenset({"shop"})}
    definitions = {("example.com", "Basket"): a_crd()}

    told = notes_on(a_basket(size=1), definitions=definitions, **facts)

    assert told[0] == "checked against the schema of baskets.example.com in the cluster"


def test_notes_reach_the_change():
    wanted = w.a_set(a_crd(), a_basket())

    plan = make_plan(w.a_spec(), wanted, w.a_live_set(unknown_kinds=UNKNOWN), {}, None)

    change = next(one for one in plan.changes if one.ref.name == "b")
    assert (change.operation, change.prediction) == (Operation.CREATE, Prediction.SIMULATED)
    assert "left open: admission" in change.notes


def test_what_is_left_as_it_is_need_not_be_checked():
    world = w.World()
    wanted = w.a_set(a_crd(), a_basket())
    world.carry_out(world.plan(wanted))
    wider = {**SCHEMA, "description": "more"}
    again = w.a_set(a_crd(wider), a_basket())

    assert unasked(again, world.live(), world.state) == ()


# ------------------------------------------------------------------ defaults


def test_defaults_are_filled_in_at_any_depth():
    item = {"type": "object", "properties": {"port": {"default": 80}}}
    schema = {
        "properties": {
            "list": {"type": "array", "items": item},
            "map": {"type": "object", "additionalProperties": item},
            "part": {"default": {}, **item},
        }
    }

    filled = with_defaults({"list": [{}], "map": {"a": {"port": 1}}}, schema)

    assert filled == {
        "part": {"port": 80},
        "list": [{"port": 80}],
        "map": {"a": {"port": 1}},
    }


# ------------------------------------------------------------------ contradictions

SAME: dict[str, tuple[Any, Any]] = {
    "a default": ({"spec": {"a": 1}}, {"spec": {"a": 1, "b": 2}}),
    "a quantity": ({"cpu": "1000m", "memory": "1024Mi"}, {"cpu": "1", "memory": "1Gi"}),
    "a quantity as a number": ({"cpu": 1}, {"cpu": "1"}),
    "an empty value": ({"a": [], "b": {}, "c": "", "d": False, "e": 0}, {}),
    "a choice of the server": ({"clusterIP": "", "nodePort": 0}, {"clusterIP": "x", "nodePort": 9}),
    "more items": ({"l": [{"name": "a"}]}, {"l": [{"name": "b"}, {"name": "a", "x": 1}]}),
    "a moment": ({"at": "2025-01-01T00:00:00Z"}, {"at": "2025-01-01T00:00:00.000000Z"}),
    "line breaks": ({"key": "YQ==\n"}, {"key": "YQ=="}),
    "a status": ({"status": {"a": 1}}, {}),
}


@pytest.mark.parametrize("case", SAME)
def test_another_spelling_is_no_contradiction(case):
    wanted, answer = SAME[case]

    assert contradictions(wanted, answer) == ()


OTHER: dict[str, tuple[Any, Any, str]] = {
    "a value": ({"spec": {"a": 1}}, {"spec": {"a": 2}}, "spec.a would be 2"),
    "a field": ({"spec": {"a": 1}}, {"spec": {}}, "spec.a would be dropped"),
    "a flag": ({"a": True}, {"a": False}, "a would be False"),
    "an item": (
        {"l": [{"name": "a"}]}, {"l": [{"name": "b"}]}, "l[a] would be dropped"),
    "a part of an item": (
        {"l": [{"name": "a", "image": "x"}]}, {"l": [{"name": "a", "image": "y"}]},
        "l[a].image would be 'y'"),
    "a plain item": ({"l": ["a", "b"]}, {"l": ["a"]}, "l[1] would be dropped"),
    "a quantity": ({"cpu": "1"}, {"cpu": "2"}, "cpu would be '2'"),
    "a shape": ({"a": "text"}, {"a": {"b": 1}}, "a would be another"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER)
def test_another_value_is_a_contradiction_with_its_place(case):
    wanted, answer, told = OTHER[case]

    assert contradictions(wanted, answer) == (told,)


def test_values_of_secrets_are_neither_compared_nor_told():
    wanted = {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}, "data": {"c": "ZA=="}}
    answer = {"apiVersion": "v1", "kind": "Secret", "type": "hush", "data": {}}

    assert contradictions({**wanted, "type": "t"}, answer) == ("type would be another",)


def test_many_contradictions_are_cut():
    wanted = {str(number): 1 for number in range(20)}

    assert contradictions(wanted, {})[-1] == "…"


# ------------------------------------------------------------------ unpredictable (AP-65)

HOOKED = Forecast(prediction=Prediction.NONE, webhook="hook.example.com", notes=("a hook",))


def a_hooked_plan(policy):
    wanted = w.a_set(w.a_config())
    spec = w.a_spec(apply={"unpredictable": policy})
    forecast = dict.fromkeys(wanted.by_ref(), HOOKED)
    return make_plan(spec, wanted, w.a_live_set(), forecast, None)


@pytest.mark.parametrize(
    ("policy", "expected"), [("allow", []), ("approve", [True]), ("refuse", [False])]
)
def test_the_policy_decides_who_may_let_it_pass(policy, expected):
    plan = a_hooked_plan(policy)

    assert [guard.is_waivable for guard in plan.breached] == expected
    assert next(plan.changes).notes == ("a hook",)


def test_an_approval_waives_what_is_waivable_and_nothing_else():
    assert with_approval(a_hooked_plan("approve")).breached == ()
    assert [one.id for one in with_approval(a_hooked_plan("refuse")).breached] == ["AP-65"]
