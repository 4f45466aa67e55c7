"""What must hold before a plan can be made at all."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.errors import GuardRefused, InvalidManifests, InvalidSpec, Refused
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.premises import (
    check_not_emptied,
    check_premises,
    check_supported,
    comes_with_plan,
    defined_kinds,
    find_moved,
    is_crd,
    served_by_plan,
    simulated,
)
from rollwright.rollouts.spec import parse
from rollwright.rollouts.state import InventoryEntry, RolloutState

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
KNOWN = {("v1", "ConfigMap"), ("v1", "Namespace"), ("apps/v1", "Deployment"), ("v1", "Service")}
APISERVICE = w.a_body(
    "APIService", "v1.example.com", "", "apiregistration.k8s.io/v1",
    spec={"group": "example.com", "version": "v1"},
)  # fmt: skip


def a_basket(name="b", **spec):
    return w.a_body("Basket", name, "shop", "example.com/v1", spec=spec)


def problems(*bodies, spec=None, **facts):
    with pytest.raises(InvalidManifests) as caught:
        check_premises(spec or w.a_spec(), w.a_set(*bodies), w.a_live_set(**facts), KNOWN)
    return [str(problem) for problem in caught.value.problems]


def check(*bodies, spec=None, live=(), **facts):
    check_premises(spec or w.a_spec(), w.a_set(*bodies), w.a_live_set(*live, **facts), KNOWN)


# ------------------------------------------------------------------ kinds


def test_served_kinds_in_namespaces_that_exist_are_good():
    check(w.a_config())


def test_an_unknown_kind_is_refused_with_its_place():
    body = w.a_body("Gizmo", api_version="example.com/v1")

    assert problems(body, unknown_kinds=frozenset({("example.com/v1", "Gizmo")})) == [
        "all.yaml:1: Gizmo/shop/a: the cluster serves no kind 'Gizmo' in 'example.com/v1'"
    ]


def test_a_kind_that_is_served_in_another_version_is_told():
    body = w.a_body("Deployment", api_version="apps/v1beta1")

    (problem,) = problems(body, unknown_kinds=frozenset({("apps/v1beta1", "Deployment")}))
    assert problem.endswith("; it serves Deployment in apps/v1")


def test_a_misspelled_kind_gets_a_hint():
    (problem,) = problems(
        w.a_body("ConfgMap"), unknown_kinds=frozenset({("v1", "ConfgMap")})
    )  # fmt: skip

    assert problem.endswith("; did you mean 'ConfigMap'?")


def test_a_kind_of_a_group_that_cannot_be_read_names_the_culprit():
    body = w.a_body("Gizmo", api_version="example.com/v1")
    unread = {"example.com": "APIService v1.example.com has no endpoints"}

    found = problems(
        body, unknown_kinds=frozenset({("example.com/v1", "Gizmo")}), missing_groups=unread
    )
    assert found == [
        (
            "all.yaml:1: Gizmo/shop/a: group 'example.com' cannot be read:"
            " APIService v1.example.com has no endpoints"
        ),
    ]


def test_a_group_that_cannot_be_read_does_not_concern_others():
    check(w.a_config(), missing_groups={"example.com": "down"})


def test_every_unknown_kind_is_told():
    unknown = frozenset({("v1", "Foo"), ("v1", "Bar")})

    assert len(problems(w.a_body("Foo"), w.a_body("Bar"), unknown_kinds=unknown)) == 2


def test_a_kind_that_the_set_defines_is_good():
    check(w.a_crd(), a_basket(), unknown_kinds=frozenset({("example.com/v1", "Basket")}))


def test_a_version_that_the_set_defines_but_does_not_serve_is_refused():
    crd = w.a_crd(versions=[{"name": "v1", "served": False}])

    assert problems(crd, a_basket(), unknown_kinds=frozenset({("example.com/v1", "Basket")}))


def test_a_group_that_an_apiservice_of_the_set_serves_is_good():
    check(APISERVICE, a_basket(), unknown_kinds=frozenset({("example.com/v1", "Basket")}))


def test_every_served_version_of_a_crd_is_defined():
    crd = w.a_crd(versions=[{"name": "v1"}, {"name": "v2", "served": False}, {"name": "v3"}])

    assert defined_kinds(w.a_set(crd)) == {
        ("example.com/v1", "Basket"),
        ("example.com/v3", "Basket"),
    }


@pytest.mark.parametrize(
    "spec", [None, {}, "x", {"versions": "v1"}, {"versions": ["v1"], "names": "Basket"}]
)
def test_a_broken_crd_defines_nothing_that_is_wanted(spec):
    crd = w.a_body("CustomResourceDefinition", "x", "", "apiextensions.k8s.io/v1", spec=spec)

    assert ("example.com/v1", "Basket") not in defined_kinds(w.a_set(crd))


def test_a_broken_apiservice_serves_no_group():
    body = w.a_body("APIService", "x", "", "apiregistration.k8s.io/v1", spec=None)

    assert "example.com" not in served_by_plan(w.a_set(body))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (w.a_crd(), True),
        (w.a_body("CustomResourceDefinition", api_version="example.com/v1"), False),
        (w.a_config(), False),
        ({}, False),
    ],
)
def test_a_crd_is_known_by_group_and_kind(body, expected):
    assert is_crd(body) is expected


# ------------------------------------------------------------------ namespaces


def test_a_namespace_that_nobody_makes_is_refused_once():
    spec = w.a_spec(target={"namespace": "web"})

    assert problems(
        w.a_config("a"), w.a_config("b"), spec=spec, absent_namespaces=frozenset({"shop"})
    ) == [
        (
            "all.yaml:1 metadata.namespace: ConfigMap/shop/a: namespace 'shop' does not exist;"
            " declare it in the rollout, or create it first"
        ),
    ]


def test_a_namespace_of_the_set_is_good():
    check(w.a_body("Namespace", "shop", ""), w.a_config(), absent_namespaces=frozenset({"shop"}))


def test_the_namespace_of_the_target_is_made():
    check(
        w.a_config(),
        spec=w.a_spec(target={"namespace": "shop"}),
        absent_namespaces=frozenset({"shop"}),
    )


def test_the_namespace_of_the_target_is_not_made_when_that_is_off():
    spec = w.a_spec(target={"namespace": "shop", "create_namespace": False})

    assert problems(w.a_config(), spec=spec, absent_namespaces=frozenset({"shop"}))


# ------------------------------------------------------------------ owners


def theirs(name="a"):
    return w.a_body(name=name, metadata={"labels": {"rollwright.dev/rollout": "blog"}, "uid": "u"})


def test_an_object_of_another_rollout_is_refused_with_both_names():
    with pytest.raises(Refused, match="shop: ConfigMap/shop/a belongs to rollout 'blog'") as caught:
        check(w.a_config(), live=[theirs()])

    assert (caught.value.exit_code, bool(caught.value.hint)) == (4, True)


def test_every_object_of_another_rollout_is_named():
    with pytest.raises(Refused, match=r"shop/a belongs .*; ConfigMap/shop/b belongs"):
        check(w.a_config("b"), w.a_config("a"), live=[theirs("b"), theirs("a")])


def test_our_own_objects_and_those_of_nobody_are_good():
    check(
        w.a_config("a"),
        w.a_config("b"),
        live=[*(m.body for m in w.a_set(w.a_config("a"))), w.a_config("b")],
    )


# ------------------------------------------------------------------ what only comes with the plan


def test_an_object_of_a_new_kind_comes_with_the_plan():
    live = w.a_live_set(unknown_kinds=frozenset({("example.com/v1", "Basket")}))

    assert comes_with_plan(w.a_manifest(a_basket()), live)


def test_an_object_of_a_new_namespace_comes_with_the_plan():
    live = w.a_live_set(absent_namespaces=frozenset({"shop"}))

    assert comes_with_plan(w.a_manifest(w.a_config()), live)


def test_other_objects_do_not_come_with_the_plan():
    assert not comes_with_plan(w.a_manifest(w.a_config()), w.a_live_set())


def a_schema(*fields, **more):
    properties = {field: {"type": "string"} for field in fields}
    version = {
        "name": "v1",
        "served": True,
        "schema": {"openAPIV3Schema": {"properties": properties}},
    }
    return w.a_crd(versions=[{**version, **more}])


@pytest.mark.parametrize(
    "wanted",
    [
        a_schema("size", "color"),
        w.a_crd(versions=[{"name": "v1", "served": True}, {"name": "v2", "served": True}]),
        w.a_crd(scope="Cluster"),
    ],
)
def test_objects_of_a_kind_whose_schema_changes_are_simulated(wanted):
    found = simulated(w.a_set(a_basket(), wanted), w.a_live_set(a_schema("size")))

    assert [ref.kind for ref in found] == ["Basket"]


def test_a_broken_schema_simulates_nothing():
    wanted = w.a_set(a_basket(), w.a_crd(versions="broken"))

    assert simulated(wanted, w.a_live_set(a_schema("size"))) == frozenset()


@pytest.mark.parametrize(
    "live",
    [a_schema("size"), a_schema("size", storage=True), {**a_schema("size"), "status": {"x": 1}}],
)
def test_objects_of_a_kind_whose_schema_stays_are_not_simulated(live):
    assert simulated(w.a_set(a_basket(), a_schema("size")), w.a_live_set(live)) == frozenset()


def test_a_new_crd_alone_simulates_nothing_that_is_served():
    assert simulated(w.a_set(a_basket(), a_schema("size")), w.a_live_set()) == frozenset()


def test_everything_that_comes_with_the_plan_is_simulated():
    live = w.a_live_set(absent_namespaces=frozenset({"shop"}))
    config = w.a_config()

    assert simulated(w.a_set(config, w.a_config(namespace="other")), live) == {ref_of(config)}


# ------------------------------------------------------------------ an empty set


def a_state(*names):
    entries = (
        InventoryEntry(ref=ref_of(w.a_config(name)), api_version="v1", uid="u") for name in names
    )
    return RolloutState(rollout="shop", inventory=tuple(entries))


def test_nothing_rendered_over_a_non_empty_inventory_is_refused():
    with pytest.raises(GuardRefused, match="rendered no object, and 2 were applied") as caught:
        check_not_emptied(w.a_spec(), w.a_set(), a_state("a", "b"))

    assert caught.value.exit_code == 4


@pytest.mark.parametrize("state", [None, a_state()])
def test_nothing_rendered_is_good_where_nothing_was_applied(state):
    check_not_emptied(w.a_spec(), w.a_set(), state)


def test_something_rendered_is_good():
    check_not_emptied(w.a_spec(), w.a_set(w.a_config()), a_state("a", "b"))


# ------------------------------------------------------------------ what is not carried out


def parsed(values):
    head = {
        "apiVersion": "rollwright.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "shop"},
    }
    return parse({**head, "spec": {"source": {"path": "."}, **values}})


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("spec.groups", {"groups": {"file": "rollout.yaml"}}),
        ("spec.windows", {"windows": [{"cron": "* * * * *", "duration": "1h", "deny": True}]}),
        ("spec.dependsOn", {"dependsOn": ["other"]}),
    ],
)
def test_what_is_read_and_not_carried_out_is_refused(path, values):
    with pytest.raises(InvalidSpec) as caught:
        check_supported(parsed(values))

    assert [problem.path for problem in caught.value.problems] == [path]


def test_a_document_of_what_is_carried_out_is_good():
    check_supported(w.a_spec())


# ------------------------------------------------------------------ what moved since the plan


WANTED = w.a_set(w.a_config("a", x="wanted"))


def moved(happens, *there):
    """Return what moved, when something happens between the plan and its first write."""
    world = w.World(*there)
    plan = world.plan(WANTED)
    happens(world)
    return find_moved(plan, world.live())


def test_nothing_moved_when_nothing_happened():
    assert moved(lambda _world: None, w.a_config("a", x="old")) == ()


def test_an_object_that_somebody_created_moved():
    assert moved(lambda world: world.put(w.a_config("a", x="theirs"))) == (
        "ConfigMap/shop/a was created meanwhile",
    )


def test_an_object_that_somebody_changed_moved():
    found = moved(lambda world: world.put(w.a_config("a", x="theirs")), w.a_config("a", x="old"))

    assert found == ("ConfigMap/shop/a was changed meanwhile",)


def test_an_object_that_somebody_deleted_or_created_again_moved():
    ref = ref_of(w.a_config("a"))
    old = w.a_config("a", x="old")

    assert moved(lambda world: world.remove(ref), old) == (
        "ConfigMap/shop/a was deleted meanwhile",
    )
    assert moved(lambda world: world.recreate(ref), old) == (
        "ConfigMap/shop/a was deleted and created again meanwhile",
    )


def test_a_status_that_moved_is_no_change():
    def report(world):
        world.edit(ref_of(w.a_config("a")), lambda body: body.update(status={"seen": True}))

    assert moved(report, w.a_config("a", x="old")) == ()
