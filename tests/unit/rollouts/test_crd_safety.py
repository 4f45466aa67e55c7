"""Whether a changed definition still fits what is stored (AP-70)."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.rollouts.change import Forecast, Prediction
from rollwright.rollouts.crd_safety import find_breaches
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.planning import make_plan

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))


def a_crd(schema=None, *, stored=("v1",), versions=("v1",), **spec):
    """A definition whose versions all have one schema."""
    made = [
        {"name": name, "served": True, "storage": number == 0,
         "schema": {"openAPIV3Schema": schema or {"type": "object"}}}
        for number, name in enumerate(versions)
    ]  # fmt: skip
    names = {"kind": "Basket", "plural": "baskets"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "baskets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": made, **spec},
        "status": {"storedVersions": list(stored)},
    }  # fmt: skip


def an_object(required=(), **properties):
    body = {"type": "object", "properties": properties}
    return {**body, "required": list(required)} if required else body


def found(old, new, used=()):
    return [(breach.problem, breach.is_final) for breach in find_breaches(old, new, used)]


def problems(before, after):
    return [problem for problem, _ in found(a_crd(before), a_crd(after))]


def test_the_same_definition_breaks_nothing():
    assert found(a_crd(), a_crd()) == []


def test_names_that_the_server_fills_in_are_no_change():
    live = a_crd()
    live["spec"]["names"] |= {"singular": "basket", "listKind": "BasketList"}
    live["spec"]["conversion"] = {"strategy": "None"}

    assert found(live, a_crd()) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scope": "Cluster"}, "scope changes from 'Namespaced' to 'Cluster'"),
        ({"names": {"kind": "Bag", "plural": "baskets"}}, "names.kind changes"),
        ({"names": {"kind": "Basket", "plural": "bags"}}, "names.plural changes"),
        (
            {"names": {"kind": "Basket", "plural": "baskets", "singular": "bag"}},
            "names.singular changes",
        ),
    ],
)
def test_scope_and_names_never_change(change, told):
    all_found = found(a_crd(), a_crd(**change))

    assert all(is_final for _, is_final in all_found)
    assert told in all_found[0][0]


def test_a_stored_version_never_goes():
    ((problem, is_final),) = found(a_crd(stored=["v1", "v2"]), a_crd(versions=["v2"]))

    assert is_final
    assert problem.startswith("version v1 is removed")


def test_a_stored_version_may_stop_being_served():
    new = a_crd(versions=["v2", "v1"])
    new["spec"]["versions"][1]["served"] = False

    assert found(a_crd(versions=["v2", "v1"], stored=["v1", "v2"]), new) == []


@pytest.mark.parametrize("way", ["removed", "not served"])
def test_a_version_in_use_needs_an_approval_to_go(way):
    old, new = a_crd(versions=["v1", "v1beta1"]), a_crd(versions=["v1", "v1beta1"])
    if way == "removed":
        new["spec"]["versions"].pop()
    else:
        new["spec"]["versions"][1]["served"] = False

    assert found(old, new) == []
    assert found(old, new, {"v1beta1"}) == [
        ("version v1beta1 is not served any more, and is in use", False)
    ]


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
STRICTER = {
    "required": (an_object(a=TEXT), an_object(["a"], a=TEXT), "a: is required now"),
    "type": (an_object(a=TEXT), an_object(a=NUMBER), "type changes from string to integer"),
    "type added": (an_object(a={}), an_object(a=NUMBER), "type changes from any to integer"),
    "number or text": (
        an_object(a={"x-kubernetes-int-or-string": True}), an_object(a=NUMBER),
        "not a number or text alike"),
    "null": (an_object(a={**TEXT, "nullable": True}), an_object(a=TEXT), "must not be null"),
    "enum value": (
        an_object(a={**TEXT, "enum": ["x", "y"]}), an_object(a={**TEXT, "enum": ["x"]}),
        "y is not allowed any more"),
    "enum added": (an_object(a=TEXT), an_object(a={**TEXT, "enum": ["x"]}), "only x are allowed"),
    "maximum": (
        an_object(a={**NUMBER, "maximum": 9}), an_object(a={**NUMBER, "maximum": 5}),
        "maximum changes from 9 to 5"),
    "minimum": (an_object(a=NUMBER), an_object(a={**NUMBER, "minimum": 1}), "minimum 1 is added"),
    "maxLength": (an_object(a=TEXT), an_object(a={**TEXT, "maxLength": 3}), "maxLength 3"),
    "pattern": (an_object(a=TEXT), an_object(a={**TEXT, "pattern": "^x"}), "pattern '^x' is added"),
    "pattern changed": (
        an_object(a={**TEXT, "pattern": "^y"}), an_object(a={**TEXT, "pattern": "^x"}),
        "pattern changes"),
    "field removed": (an_object(a=TEXT, b=TEXT), an_object(a=TEXT), "b: is removed"),
    "unknown fields": (
        {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, {"type": "object"},
        "unknown fields are cut off"),
    "items": (
        an_object(a={"type": "array", "items": TEXT}),
        an_object(a={"type": "array", "items": {**TEXT, "maxLength": 1}}), "a[]: maxLength 1"),
    "map": (
        an_object(a={"type": "object", "additionalProperties": TEXT}),
        an_object(a={"type": "object", "additionalProperties": NUMBER}), "a[*]: type changes"),
    "rule": (
        an_object(a=TEXT),
        an_object(a={**TEXT, "x-kubernetes-validations": [{"rule": "self != ''"}]}),
        "a CEL rule is added: self != ''"),
    "branches": (an_object(a=TEXT), an_object(a={**TEXT, "anyOf": [{}]}), "anyOf is added"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRICTER)
def test_a_stricter_schema_is_told_with_its_place(case):
    before, after, told = STRICTER[case]

    (problem,) = problems(before, after)

    assert problem.startswith("v1 ")
    assert told in problem


@pytest.mark.parametrize("case", STRICTER)
def test_a_stricter_schema_can_be_approved(case):
    before, after, _ = STRICTER[case]

    assert not any(is_final for _, is_final in found(a_crd(before), a_crd(after)))


WIDER = {
    "new field": (an_object(), an_object(a=TEXT)),
    "new part with required fields": (an_object(), an_object(a=an_object(["b"], b=TEXT))),
    "required with default": (an_object(a=TEXT), an_object(["a"], a={**TEXT, "default": "x"})),
    "no longer required": (an_object(["a"], a=TEXT), an_object(a=TEXT)),
    "integer to number": (an_object(a=NUMBER), an_object(a={"type": "number"})),
    "number or text": (
        an_object(a=NUMBER),
        an_object(a={"x-kubernetes-int-or-string": True}),
    ),
    "enum value": (
        an_object(a={**TEXT, "enum": ["x"]}),
        an_object(a={**TEXT, "enum": ["x", "y"]}),
    ),
    "enum gone": (an_object(a={**TEXT, "enum": ["x"]}), an_object(a=TEXT)),
    "maximum": (an_object(a={**NUMBER, "maximum": 5}), an_object(a={**NUMBER, "maximum": 9})),
    "pattern gone": (an_object(a={**TEXT, "pattern": "x"}), an_object(a=TEXT)),
    "any field": (
        an_object(a=TEXT),
        {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    ),
}


@pytest.mark.parametrize("case", WIDER)
def test_a_wider_schema_breaks_nothing(case):
    before, after = WIDER[case]

    assert problems(before, after) == []


def test_every_version_is_looked_at():
    old = a_crd(an_object(a=TEXT), versions=["v1", "v2"])
    new = deepcopy(old)
    new["spec"]["versions"][1]["schema"]["openAPIV3Schema"] = an_object(a=NUMBER)

    assert [problem.split(" ")[0] for problem, _ in found(old, new)] == ["v2"]


def test_definitions_of_any_shape_are_read():
    assert found({"spec": None}, {"spec": {"versions": "none", "names": []}}) == []


# ------------------------------------------------------------------ guards


def a_plan(old, new, *, predicted=None, **facts):
    wanted = w.a_set(new)
    body = predicted or wanted.manifests[0].body
    forecast = {ref_of(new): Forecast(prediction=Prediction.SERVER, body=body)}
    old["metadata"]["uid"] = "1"
    return make_plan(w.a_spec(), wanted, w.a_live_set(old, **facts), forecast, None)


def test_one_guard_names_what_may_be_approved_and_one_what_may_not():
    old, new = a_crd(an_object(a=TEXT)), a_crd(an_object(a=NUMBER), scope="Cluster")

    guards = [guard for guard in a_plan(old, new).guards if guard.id == "AP-70"]

    assert [guard.is_waivable for guard in guards] == [False, True]
    assert "scope changes" in guards[0].message
    assert "type changes from string to integer" in guards[1].message


def test_a_version_that_another_manager_keeps_is_not_lost():
    old, new = a_crd(versions=["v1", "v2"], stored=["v1", "v2"]), a_crd()

    assert a_plan(old, new, predicted=old).breached == ()
    assert [guard.id for guard in a_plan(old, new).breached] == ["AP-70"]


def test_many_problems_are_cut():
    old = a_crd(an_object(**{f"f{number}": TEXT for number in range(20)}))

    (guard,) = a_plan(old, a_crd(an_object())).breached

    assert guard.message.endswith("and 8 more")


def test_a_definition_that_stays_as_it_is_breaks_nothing():
    assert a_plan(a_crd(), a_crd()).breached == ()
