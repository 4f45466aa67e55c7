"""From wanted and live objects to the plan of a whole rollout."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.errors import GuardRefused
from rollwright.rollouts.change import Operation, Prediction
from rollwright.rollouts.judging import body_for_verdict
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import ObjectRef, ref_of
from rollwright.rollouts.ownership.fields import own, parent_ref, set_id
from rollwright.rollouts.planning import make_plan

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
A, B = ref_of(w.a_config("a")), ref_of(w.a_config("b"))


def configs(names):
    return [w.a_config(name) for name in names]


def rolled_out(*bodies, spec=None):
    world = w.World(spec=spec)
    world.roll_out(*bodies)
    return world


def steps(plan):
    return {step.name: step for wave in plan.waves for step in wave.steps}


# ------------------------------------------------------------------ labels

LABELS = {
    "rollwright.dev/rollout": "shop",
    "applyset.kubernetes.io/part-of": set_id(parent_ref("shop")),
}


def test_every_object_gets_the_label_of_its_rollout():
    (manifest,) = own(w.a_set(w.a_config(), rollout="x"), "shop")

    assert manifest.body["metadata"]["labels"] == LABELS


def test_labels_of_the_source_stay_beside_ours():
    (manifest,) = w.a_set(w.a_body(metadata={"labels": {"app": "web"}}))

    assert manifest.labels == {"app": "web", **LABELS}


def test_labels_that_are_null_become_ours_alone():
    (manifest,) = w.a_set(w.a_body(metadata={"labels": None}))

    assert manifest.labels == LABELS


def test_the_source_of_the_set_stays():
    assert w.a_set(w.a_config(), source="git@1").source == "git@1"


# ------------------------------------------------------------------ nothing to do


def test_a_plan_after_its_rollout_is_done():
    assert rolled_out(*configs("ab")).plan(w.a_set(*configs("ab"))).is_done


def test_a_plan_with_a_write_is_not_done():
    assert not w.World().plan(w.a_set(*configs("a"))).is_done


def test_a_plan_of_nothing_in_an_empty_cluster_is_done():
    assert w.World().plan(w.a_set()).is_done


def test_a_plan_that_waits_for_an_object_is_not_done():
    claim = w.a_body("PersistentVolumeClaim", spec={})
    world = rolled_out(claim)

    assert not world.plan(w.a_set(claim)).is_done


def test_a_plan_does_not_wait_for_what_the_source_suspends():
    job = w.a_body("CronJob", api_version="batch/v1", spec={"suspend": True})

    assert rolled_out(job).plan(w.a_set(job)).is_done


def test_a_plan_waits_for_what_somebody_else_suspended():
    job = w.a_body("CronJob", api_version="batch/v1", spec={"schedule": "@daily"})
    world = rolled_out(job)
    world.edit(ref_of(job), lambda body: body["spec"].update(suspend=True))

    assert not world.plan(w.a_set(job)).is_done


@pytest.mark.parametrize(
    "annotations",
    [{"rollwright.dev/health": "ignore"}, {"argocd.argoproj.io/ignore-healthcheck": "true"}],
)
def test_a_plan_does_not_wait_for_what_is_ignored(annotations):
    claim = w.a_body("PersistentVolumeClaim", spec={}, metadata={"annotations": annotations})

    assert rolled_out(claim).plan(w.a_set(claim)).is_done


def test_a_plan_does_not_wait_for_what_the_document_skips():
    claim = w.a_body("PersistentVolumeClaim", "data", spec={})
    spec = w.a_spec(health={"skip": [{"kind": "PersistentVolumeClaim", "name": "d*"}]})

    assert rolled_out(claim, spec=spec).plan(w.a_set(claim)).is_done


def test_an_entry_to_be_forgotten_has_to_be_written():
    world = rolled_out(*configs("ab"))
    world.remove(B)
    plan = world.plan(w.a_set(*configs("a")))

    assert (plan.is_done, plan.forgotten) == (False, {B: "is already gone"})


def test_an_unfinished_run_has_to_be_closed_though_nothing_differs():
    world = rolled_out(*configs("a"))
    world.begin(world.plan(w.a_set(w.a_config(k="new"))))

    assert not world.plan(w.a_set(*configs("a"))).is_done


def test_a_closed_run_leaves_nothing_to_do():
    world = rolled_out(*configs("a"))
    world.begin(world.plan(w.a_set(w.a_config(k="new"))))
    world.roll_out(*configs("a"))

    assert world.plan(w.a_set(*configs("a"))).is_done


def test_an_object_that_stays_is_written_down_once():
    spec = w.a_spec(prune={"enabled": False})
    world = rolled_out(*configs("ab"), spec=spec)
    first, _ = world.roll_out(*configs("a"))

    assert (first.is_done, world.plan(w.a_set(*configs("a"))).is_done) == (False, True)


# ------------------------------------------------------------------ order


def test_prune_waits_for_every_apply():
    world = rolled_out(*configs("ab"))

    plan = world.plan(w.a_set(*configs("a")))

    assert steps(plan)["prune-0"].needs == ("apply-0",)


def test_waves_follow_one_another():
    late = w.a_config("b", annotations={"rollwright.dev/wave": "1"})

    plan = w.World().plan(w.a_set(w.a_config("a"), late))

    assert [(name, step.needs) for name, step in steps(plan).items()] == [
        ("apply-0", ()), ("apply-1", ("apply-0",)),
    ]  # fmt: skip


def test_an_object_waits_for_its_namespace():
    plan = w.World().plan(w.a_set(w.a_config(), w.a_body("Namespace", "shop", "")))

    assert [edge.ref.kind for edge in w.fate(plan, "a").needs] == ["Namespace"]


def test_a_step_has_only_the_gates_that_it_uses():
    bodies = [
        *(w.a_body("ServiceAccount", f"s{n}") for n in range(12)),
        *(w.a_body("Deployment", f"d{n}", api_version="apps/v1", spec={}) for n in range(12)),
        w.a_config("late", annotations={"rollwright.dev/wave": "1"}),
    ]

    plan = w.World().plan(w.a_set(*bodies))

    for step in steps(plan).values():
        used = {gate for change in step.changes for gate in change.gates}
        assert {gate.id for gate in step.gates} == used


# ------------------------------------------------------------------ prune and guards


def test_removing_one_object_prunes_it():
    world = rolled_out(*configs("abcdef"))

    plan = world.plan(w.a_set(*configs("abcde")))

    assert (w.fate(plan, "f").operation, plan.breached) == (Operation.PRUNE, ())


def test_removing_all_but_one_breaches_the_guard():
    world = rolled_out(*configs("abcdef"))

    assert w.breached(world.plan(w.a_set(*configs("a")))) == ["PR-02"]


def test_protected_objects_do_not_count_as_deletes():
    claims = [w.a_body("PersistentVolumeClaim", f"p{n}", spec={}) for n in range(5)]
    world = rolled_out(*configs("ab"), *claims)

    plan = world.plan(w.a_set(*configs("a")))

    assert (plan.breached, len(plan.kept)) == ((), 5)


def test_rendering_nothing_over_an_inventory_is_refused():
    world = rolled_out(*configs("a"))

    with pytest.raises(GuardRefused, match="rendered no object"):
        world.plan(w.a_set())


def test_a_prune_says_which_object_it_means():
    world = rolled_out(*configs("ab"))

    change = w.fate(world.plan(w.a_set(*configs("a"))), "b")

    assert change.live_uid == world.objects[B]["metadata"]["uid"]


def test_a_conflict_breaches_a_guard_unless_applies_are_forced():
    world = w.World(w.a_config(k="theirs"), spec=w.a_spec(apply={"force": False}))

    plan = world.plan(w.a_set(w.a_config(k="ours")))

    assert [guard.message for guard in plan.breached] == [
        (
            "ConfigMap/shop/a: another manager owns data.k (owned by kubectl-edit),"
            " and apply.force is false"
        ),
    ]


def test_a_forced_apply_takes_fields_and_says_so():
    plan = w.World(w.a_config(k="theirs")).plan(w.a_set(w.a_config(k="ours")))

    assert (plan.breached, len(w.only(plan).conflicts)) == ((), 1)


def immutable(body, **options):
    world = rolled_out(body, spec=w.a_spec(**options))
    world.immutable[ref_of(body)] = "spec.x: field is immutable"
    changed = {**body, "data": {"k": "changed"}}
    return world.plan(w.a_set(changed))


def test_recreating_needs_a_permission():
    plan = immutable(w.a_config())

    assert [(guard.id, guard.message) for guard in plan.breached] == [
        (
            "AP-57",
            (
                "ConfigMap/shop/a cannot be changed in place: spec.x: field is immutable;"
                " needs apply.recreateImmutable for this kind"
            ),
        )
    ]


def test_a_missing_permission_is_noted_at_the_object():
    assert w.only(immutable(w.a_config())).notes == ("needs apply.recreateImmutable for this kind",)


def test_the_document_may_permit_to_recreate_a_kind():
    plan = immutable(w.a_config(), apply={"recreate_immutable": ["ConfigMap"]})

    assert (plan.breached, w.only(plan).operation, w.only(plan).notes) == (
        (), Operation.REPLACE, ()
    )  # fmt: skip


@pytest.mark.parametrize(("value", "ids"), [("true", []), ("True", []), ("false", ["AP-57"])])
def test_an_annotation_may_permit_to_recreate_an_object(value, ids):
    body = w.a_config(annotations={"rollwright.dev/recreate": value})

    assert w.breached(immutable(body)) == ids


@pytest.mark.parametrize(
    "kind", ["Namespace", "CustomResourceDefinition", "PersistentVolume", "PersistentVolumeClaim"]
)
def test_no_document_may_recreate_what_holds_data(kind):
    body = w.a_body(kind, metadata={"annotations": {"rollwright.dev/recreate": "true"}})
    options = {"apply": {"recreate_immutable": [kind]}, "prune": {"protect": []}}

    assert w.breached(immutable(body, **options)) == ["PR-13"]


def test_kinds_that_the_document_protects_are_not_recreated_either():
    options = {"apply": {"recreate_immutable": ["ConfigMap"]}, "prune": {"protect": ["ConfigMap"]}}

    assert w.breached(immutable(w.a_config(), **options)) == ["PR-13"]


def test_an_object_that_somebody_else_deletes_needs_no_permission():
    world = rolled_out(w.a_config())
    world.edit(A, lambda body: body["metadata"].update(deletionTimestamp="2025-01-01T00:00:00Z"))

    plan = world.plan(w.a_set(w.a_config()))

    assert (w.only(plan).operation, plan.breached) == (Operation.REPLACE, ())


# ------------------------------------------------------------------ what comes with the plan


def test_a_custom_resource_comes_with_its_definition():
    basket = w.a_body("Basket", "b", api_version="example.com/v1")
    unknown = {"unknown_kinds": frozenset({("example.com/v1", "Basket")})}

    plan = w.World().plan(w.a_set(basket, w.a_crd()), **unknown)

    assert (w.fate(plan, "b").operation, w.fate(plan, "b").prediction) == (
        Operation.CREATE, Prediction.SIMULATED
    )  # fmt: skip


def test_a_custom_resource_of_a_changed_definition_is_not_asked_about():
    basket = w.a_body("Basket", "b", api_version="example.com/v1", spec={"size": 1})
    world = rolled_out(basket, w.a_crd())
    changed = w.a_crd(versions=[{"name": "v1", "served": True, "storage": True}])
    bigger = {**basket, "spec": {"size": 2, "color": "red"}}
    wanted = w.a_set(bigger, changed)

    names = [one.ref.kind for one in w.candidates(wanted, world.live(), world.state)]
    assert names == ["CustomResourceDefinition"]
    assert w.fate(world.plan(wanted), "b").prediction is Prediction.SIMULATED


def test_an_object_of_a_new_namespace_is_simulated():
    namespace = w.a_body("Namespace", "shop", "")

    plan = w.World().plan(w.a_set(w.a_config(), namespace), absent_namespaces=frozenset({"shop"}))

    assert w.fate(plan, "a").prediction is Prediction.SIMULATED


def target(**values):
    return w.a_spec(target={"namespace": "shop", **values})


def absent(*bodies, spec):
    return w.World(spec=spec).plan(w.a_set(*bodies), absent_namespaces=frozenset({"shop"}))


def test_the_missing_namespace_of_the_target_is_created_and_not_owned():
    plan = absent(w.a_config(), spec=target())

    change = w.fate(plan, "shop")
    assert (change.operation, change.is_owned, change.wanted.labels) == (
        Operation.CREATE, False, {}
    )  # fmt: skip


def test_the_target_s_namespace_comes_first():
    plan = absent(w.a_config(), spec=target())

    assert [change.ref.kind for change in plan.changes] == ["Namespace", "ConfigMap"]


def test_the_target_s_namespace_is_never_pruned():
    world = w.World(spec=target())
    world.carry_out(world.plan(w.a_set(*configs("ab")), absent_namespaces=frozenset({"shop"})))

    plan = world.plan(w.a_set(*configs("a")))

    assert w.operations(plan) == {"a": "keep", "b": "prune"}


@pytest.mark.parametrize(
    ("bodies", "spec", "is_absent"),
    [
        ([w.a_config()], target(create_namespace=False), True),
        ([w.a_config()], target(), False),
        ([w.a_config()], w.a_spec(), True),
        ([w.a_config(), w.a_body("Namespace", "shop", "")], target(), True),
    ],
)
def test_no_namespace_is_made_that_is_not_missing_or_not_asked_for(bodies, spec, is_absent):
    namespaces = frozenset({"shop"} if is_absent else ())

    plan = w.World(spec=spec).plan(w.a_set(*bodies), absent_namespaces=namespaces)

    assert [c.ref for c in plan.changes if not c.is_owned] == []


def test_an_object_that_cannot_be_read_is_said_to_be_unreadable():
    service = w.a_body(
        "APIService", "v1.x", "", "apiregistration.k8s.io/v1", spec={"group": "x.io"}
    )
    gizmo = w.a_body("Gizmo", "g", api_version="x.io/v1")

    plan = w.World().plan(w.a_set(service, gizmo), unreadable={ref_of(gizmo): "no endpoints"})

    assert w.fate(plan, "g").why == "cannot be read now: no endpoints"


def test_without_a_dry_run_a_new_object_is_not_predicted():
    world = w.World()

    plan = make_plan(world.spec, w.a_set(w.a_config()), world.live(), {}, None)

    assert w.only(plan).prediction is Prediction.NONE


def test_an_object_of_a_renamed_group_is_the_same_object():
    old = w.a_body("Ingress", api_version="extensions/v1beta1", spec={"x": 1})
    world = rolled_out(old)
    body = world.objects.pop(ref_of(old))
    new = {**old, "apiVersion": "networking.k8s.io/v1"}
    world.objects[ref_of(new)] = {**body, "apiVersion": "networking.k8s.io/v1"}

    plan, _ = world.roll_out(new)

    assert (w.operations(plan), list(world.state.by_ref)) == ({"a": "keep"}, [ref_of(new)])


# ------------------------------------------------------------------ verdicts and notes


def test_every_live_object_gets_a_verdict():
    plan = rolled_out(*configs("a")).plan(w.a_set(*configs("ab")))

    assert (w.fate(plan, "a").status.is_current, w.fate(plan, "b").status) == (True, None)


@pytest.mark.parametrize(("kind", "is_parsed"), [("ConfigMap", False), ("Service", True)])
def test_the_body_is_read_only_for_kinds_with_behavior(kind, is_parsed):
    live = live_object(w.a_body(kind, spec={"a": 1}))

    assert ("spec" in body_for_verdict(live)) is is_parsed


def test_a_group_that_cannot_be_read_is_noted():
    plan = w.World().plan(w.a_set(w.a_config()), missing_groups={"x.io": "no endpoints"})

    assert plan.notes == ("group x.io cannot be read and is left out: no endpoints",)


def test_deleting_a_namespace_beside_an_unreadable_group_is_noted():
    world = rolled_out(
        w.a_config(), w.a_body("Namespace", "old", ""), spec=w.a_spec(prune={"protect": []})
    )

    plan = world.plan(w.a_set(w.a_config()), missing_groups={"x.io": "no endpoints"})

    assert "deleting a namespace hangs until that group can be read or is removed" in plan.notes


def test_deleting_a_definition_is_noted():
    world = rolled_out(w.a_config(), w.a_crd(), spec=w.a_spec(prune={"protect": []}))

    plan = world.plan(w.a_set(w.a_config()))

    assert plan.notes == (
        "deleting CustomResourceDefinition/baskets.example.com deletes all its objects",
    )


# ------------------------------------------------------------------ the id


def ids(*plans):
    return len({plan.id for plan in plans})


def test_the_same_world_gives_the_same_id():
    world = rolled_out(*configs("ab"))

    assert ids(world.plan(w.a_set(*configs("ac"))), world.plan(w.a_set(*configs("ac")))) == 1


def test_the_order_of_the_input_does_not_matter_to_the_id():
    world = w.World(
        *(w.a_config(name, k="theirs") for name in "ab"), spec=w.a_spec(apply={"force": False})
    )

    assert ids(world.plan(w.a_set(*configs("ab"))), world.plan(w.a_set(*configs("ba")))) == 1


def test_another_content_source_or_cluster_has_another_id():
    world = w.World()
    wanted = w.a_set(w.a_config())

    found = ids(
        world.plan(wanted),
        world.plan(w.a_set(w.a_config(k="other"))),
        world.plan(w.a_set(w.a_config(), source="path@sha256:2")),
        world.plan(wanted, cluster_id="other"),
    )

    assert found == 4


def test_a_status_that_moves_leaves_the_id():
    world = rolled_out(w.a_config(k="1"))
    before = world.plan(w.a_set(w.a_config(k="2")))
    world.edit(A, lambda body: body.update(status={"seen": 1}))

    assert ids(before, world.plan(w.a_set(w.a_config(k="2")))) == 1


def test_an_object_that_was_created_again_changes_the_id():
    world = rolled_out(w.a_config(k="1"))
    before = world.plan(w.a_set(w.a_config(k="2")))
    world.recreate(A)

    assert ids(before, world.plan(w.a_set(w.a_config(k="2")))) == 2


def test_another_policy_changes_the_id():
    wanted = w.a_set(w.a_config())

    assert (
        ids(w.World().plan(wanted), w.World(spec=w.a_spec(prune={"max_count": 1})).plan(wanted))
        == 2
    )


def test_what_a_server_makes_up_for_a_new_object_leaves_the_id():
    world = w.World()
    wanted, live = w.a_set(w.a_config()), world.live()
    plans = []
    for uid in "12":
        (forecast,) = world.forecast(wanted).values()
        body = {**forecast.body, "spec": {"selector": {"controller-uid": uid}}}
        answer = {A: w.Forecast(prediction=Prediction.SERVER, body=body)}
        plans.append(make_plan(world.spec, wanted, live, answer, None))

    assert ids(*plans) == 1


def test_another_prediction_of_an_update_changes_the_id():
    world = rolled_out(w.a_config(k="1"))
    wanted, live = w.a_set(w.a_config(k="2")), world.live()
    (forecast,) = world.forecast(wanted).values()
    mutated = w.Forecast(
        prediction=Prediction.SERVER, body={**forecast.body, "data": {"k": "2", "by": "a webhook"}}
    )

    plans = [
        make_plan(world.spec, wanted, live, {A: one}, world.state) for one in (forecast, mutated)
    ]
    assert ids(*plans) == 2


def test_a_plan_names_its_world():
    world = rolled_out(w.a_config())

    plan = world.plan(w.a_set(w.a_config()), server_version="v1.36.3")

    assert (plan.rollout, plan.cluster, plan.cluster_id, plan.server_version, plan.made_at) == (
        "shop", "c", w.CLUSTER_ID, "v1.36.3", w.NOW
    )  # fmt: skip


def test_a_ref_in_two_groups_is_two_objects():
    bodies = [w.a_body("Gizmo", api_version="x.io/v1"), w.a_body("Gizmo", api_version="y.io/v1")]

    plan = w.World().plan(w.a_set(*bodies))

    assert {change.ref for change in plan.changes} == {
        ObjectRef("x.io", "Gizmo", "shop", "a"), ObjectRef("y.io", "Gizmo", "shop", "a")
    }  # fmt: skip
