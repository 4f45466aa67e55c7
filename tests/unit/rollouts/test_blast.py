"""What deletions take along, from what was read around them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.rollouts.blast import (
    Going,
    Reading,
    Scope,
    Served,
    effects_of,
    going_of,
    scopes_of,
    summed_up,
    with_blast,
)
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.plans import describe_plan
from rollwright.rollouts.live import live_object
from rollwright.rollouts.machine.plans import plan_form

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
SERVED = (
    Served("v1", "ConfigMap", is_namespaced=True), Served("v1", "Pod", is_namespaced=True),
    Served("v1", "Event", is_namespaced=True), Served("v1", "Node", is_namespaced=False),
    Served("example.com/v1", "Basket", is_namespaced=True),
)  # fmt: skip


def a_live(kind="ConfigMap", name="a", namespace="shop", version="v1", **content):
    metadata = {"uid": f"uid-{name}", **content.pop("metadata", {})}
    return live_object(w.a_body(kind, name, namespace, version, metadata=metadata, **content))


def owned_by(name):
    return {"metadata": {"ownerReferences": [{"uid": f"uid-{name}"}]}}


def read(*going, lists=(), unknown=None, **facts):
    """Return the effects; ``lists`` are objects, put wherever a list asks for them."""
    goers = tuple(one if isinstance(one, Going) else Going(live=one) for one in going)
    found = {}
    for scope in scopes_of(goers, SERVED):
        if unknown and unknown in scope.kind:
            continue
        found[scope] = tuple(one for one in lists if _is_in(one, scope))
    lost = {s: f"{s.kind}: forbidden" for s in scopes_of(goers, SERVED) if s not in found}
    reading = Reading(
        rollout="shop", going=goers, served=SERVED, lists=found, unknown=lost, **facts
    )
    return effects_of(reading)


def _is_in(live, scope):
    is_kind = (live.api_version, live.ref.kind) == (scope.api_version, scope.kind)
    return is_kind and scope.namespace in {"", live.ref.namespace}


def told(effects):
    return [f"{one.rule} {one}" for one in effects]


def a_workload(name="web", kind="Deployment", labels=None, **spec):
    template = {"metadata": {"labels": labels or {"app": name}}, "spec": {"containers": []}}
    return a_live(kind, name, version="apps/v1", spec={"template": template, **spec})


# ------------------------------------------------------------------ content


def test_an_object_that_owns_nothing_asks_for_no_children():
    assert {scope.kind for scope in scopes_of([Going(live=a_live("Secret"))], SERVED)} == {
        "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"
    }  # fmt: skip


def test_children_are_counted_through_their_parents():
    lists = [
        a_live("ReplicaSet", "rs", version="apps/v1", **owned_by("web")),
        a_live("Pod", "p1", **owned_by("rs")), a_live("Pod", "p2", **owned_by("rs")),
        a_live("Pod", "other"),
    ]  # fmt: skip

    (effect,) = read(a_workload(), lists=lists)

    assert (str(effect), effect.counts) == (
        "Deployment/shop/web: takes along 2 Pod, 1 ReplicaSet", {"Pod": 2, "ReplicaSet": 1}
    )  # fmt: skip


def test_orphans_are_told_as_such():
    going = Going(live=a_workload(), propagation="orphan")

    (effect,) = read(
        going, lists=[a_live("ReplicaSet", "rs", version="apps/v1", **owned_by("web"))]
    )

    assert effect.text == "leaves without an owner 1 ReplicaSet"


def test_a_custom_object_may_own_anything():
    going = a_live("Basket", "b", version="example.com/v1")

    (effect,) = read(going, lists=[a_live("ConfigMap", "c", **owned_by("b"))])

    assert effect.text == "takes along 1 ConfigMap"


def test_the_content_of_a_namespace_is_told_by_its_owners():
    going = a_live("Namespace", "shop", "")
    theirs = {"metadata": {"labels": {"rollwright.dev/rollout": "blog"}}}
    lists = [
        a_live("ConfigMap", "x", **theirs), a_live("Pod", "y", **owned_by("x")),
        a_live("ConfigMap", "z"), a_live("ConfigMap", "kube-root-ca.crt"),
    ]  # fmt: skip

    assert told(read(going, lists=lists)) == [
        "BR-02 Namespace/shop: takes along 1 ConfigMap of nobody",
        "BR-02 Namespace/shop: takes along 1 ConfigMap, 1 Pod of rollout 'blog'",
    ]


def test_what_the_plan_deletes_itself_is_not_counted_again():
    going, inside = a_live("Namespace", "shop", ""), a_live("ConfigMap", "x")

    assert not [one for one in read(going, inside, lists=[inside]) if one.rule == "BR-02"]


def test_the_objects_of_a_definition_are_told_by_their_owners():
    going = live_object({**w.a_crd()})
    lists = [a_live("Basket", "b", version="example.com/v1")]

    (effect,) = read(going, lists=lists)

    assert (effect.rule, effect.text) == ("BR-03", "takes along 1 Basket of nobody")


def test_more_than_is_counted_is_said_so():
    lists = [a_live("Basket", f"b{n}", version="example.com/v1") for n in range(10_001)]

    (effect,) = read(live_object(w.a_crd()), lists=lists)

    assert effect.text == "takes along more than 10,000 objects of nobody"


# ------------------------------------------------------------------ data


def a_volume(policy, claim="data"):
    spec = {
        "persistentVolumeReclaimPolicy": policy,
        "claimRef": {"namespace": "shop", "name": claim},
    }
    return a_live("PersistentVolume", "pv", "", spec=spec)


@pytest.mark.parametrize(("policy", "is_lost"), [("Delete", True), ("Retain", False)])
@pytest.mark.parametrize(
    "going", [a_live("PersistentVolumeClaim", "data", spec={}), a_live("Namespace", "shop", "")]
)
def test_the_reclaim_policy_decides_about_the_data(going, policy, is_lost):
    effects = [one for one in read(going, lists=[a_volume(policy)]) if one.rule == "BR-04"]

    assert [one.is_data_lost for one in effects] == [is_lost]


def test_a_claim_without_a_volume_loses_nothing():
    (effect, *_) = read(a_live("PersistentVolumeClaim", "data", spec={}))

    assert effect.text == "no data is lost: it is not bound to a volume"


@pytest.mark.parametrize(
    ("policy", "claim", "is_lost"),
    [
        ({"whenDeleted": "Delete"}, "data-db-0", [True]),
        ({"whenDeleted": "Delete"}, "data-other-0", []),
        ({"whenDeleted": "Retain"}, "data-db-0", [False]),
        (None, "data-db-0", [False]),
    ],
)
def test_a_stateful_set_says_what_becomes_of_its_claims(policy, claim, is_lost):
    templates = [{"metadata": {"name": "data"}}]
    going = a_workload(
        "db", "StatefulSet", volumeClaimTemplates=templates,
        **({"persistentVolumeClaimRetentionPolicy": policy} if policy else {}),
    )  # fmt: skip

    effects = [one for one in read(going, lists=[a_volume("Delete", claim)]) if one.rule == "BR-04"]

    assert [one.is_data_lost for one in effects] == is_lost


def test_a_volume_speaks_for_itself():
    (effect,) = read(a_volume("Delete"))

    assert effect.is_data_lost


def test_unread_volumes_are_unknown():
    (effect, *_) = read(a_live("PersistentVolumeClaim", "data"), unknown="PersistentVolume")

    assert (effect.rule, effect.is_unknown) == ("BR-04", True)


# ------------------------------------------------------------------ who loses something


def test_users_are_named_with_their_rollouts():
    pod = {"containers": [], "volumes": [{"secret": {"secretName": "a"}}]}
    user = a_live(
        "Deployment", "api", version="apps/v1", spec={"template": {"spec": pod}},
        metadata={"labels": {"rollwright.dev/rollout": "blog"}},
    )  # fmt: skip

    assert told(read(a_live("Secret"), lists=[user])) == [
        "BR-05 Secret/shop/a: is used by Deployment/shop/api (rollouts blog)"
    ]


def test_rollouts_that_depend_on_one_that_goes_are_named():
    assert told(read(dependants=("blog",))) == ["BR-05 Rollout/shop: rollout 'blog' depends on it"]


def test_a_service_in_front_of_a_workload_is_named():
    service = a_live("Service", "front", spec={"selector": {"app": "web"}})

    assert told(read(a_workload(), lists=[service])) == [
        "BR-06 Deployment/shop/web: gets requests from Service/shop/front"
    ]


def test_an_ingress_before_a_service_is_named():
    path = {"backend": {"service": {"name": "a"}}}
    spec = {"rules": [{"http": {"paths": [path]}}]}
    ingress = a_live("Ingress", "in", version="networking.k8s.io/v1", spec=spec)

    assert told(read(a_live("Service"), lists=[ingress])) == [
        "BR-06 Service/shop/a: gets requests from Ingress/shop/in"
    ]


def test_a_finalizer_without_a_controller_is_told():
    going = a_live(metadata={"finalizers": ["widgets.example.com/x", "foregroundDeletion"]})

    assert told(read(going)) == [
        (
            "BR-07 ConfigMap/shop/a: waits for finalizer widgets.example.com/x: a controller of"
            " widgets.example.com takes it off, and no such controller was found running"
        )
    ]


def test_a_controller_that_runs_is_found_by_its_name():
    going = a_live(metadata={"finalizers": ["widgets.example.com/x"]})
    running = a_live(
        "Deployment", "widgets-operator", "system", "apps/v1", status={"readyReplicas": 1}
    )

    (effect,) = read(going, lists=[running])

    assert effect.text.endswith("widgets.example.com takes it off")


def test_a_binding_that_loses_its_role_is_named():
    rbac = "rbac.authorization.k8s.io/v1"
    binding = a_live(
        "RoleBinding", "rb", version=rbac, roleRef={"kind": "Role", "name": "a"}, subjects=[]
    )

    assert told(read(a_live("Role", version=rbac), lists=[binding])) == [
        "BR-08 Role/shop/a: is bound by RoleBinding/shop/rb"
    ]


def test_a_binding_says_who_loses_rights():
    rbac = "rbac.authorization.k8s.io/v1"
    going = a_live(
        "RoleBinding", "rb", version=rbac, roleRef={"kind": "Role", "name": "r"},
        subjects=[{"kind": "User", "name": "ada"}],
    )  # fmt: skip

    assert told(read(going)) == ["BR-08 RoleBinding/shop/rb: User ada lose what Role r grants"]


def test_a_webhook_stops_guarding():
    version = "admissionregistration.k8s.io/v1"
    going = a_live(
        "ValidatingWebhookConfiguration", "v", "", version, webhooks=[{"name": "check.x.io"}]
    )

    assert told(read(going)) == [
        "BR-09 ValidatingWebhookConfiguration/v: check.x.io stops guarding"
    ]


# ------------------------------------------------------------------ the plan


def a_plan_that_deletes(*bodies):
    world = w.World()
    world.roll_out(w.a_config("stays"), *bodies)
    return world.plan(w.a_set(w.a_config("stays"))), world.live()


def test_what_a_plan_deletes_is_what_goes():
    plan, live = a_plan_that_deletes(w.a_config("goes"))

    assert [one.ref.name for one in going_of(plan, live)] == ["goes"]


def test_an_unknown_count_needs_a_word():
    plan, live = a_plan_that_deletes(w.a_config("goes"))
    (going,) = going_of(plan, live)
    unknown = replace(read(a_live("PersistentVolumeClaim"), unknown="Persist")[0], ref=going.ref)

    refused, named = (
        with_blast(replace(plan, allowed=allowed), (unknown,))
        for allowed in ((), ("ConfigMap/shop/goes",))
    )

    assert [guard.id for guard in refused.breached] == ["BR-10"]
    assert (named.breached, refused.id != plan.id) == ((), True)


def test_what_is_worst_stands_first():
    plan, _ = a_plan_that_deletes(w.a_config("goes"))
    effects = read(a_live("PersistentVolumeClaim", "data"), lists=[a_volume("Delete")])

    lines = text(describe_plan(with_blast(plan, effects))).splitlines()

    assert lines[2:4] == [
        "  deletes 1 ConfigMap",
        "  data will be lost with PersistentVolumeClaim/shop/data",
    ]
    assert summed_up(plan) == ("deletes 1 ConfigMap",)


def test_the_machine_form_holds_the_effects():
    plan, _ = a_plan_that_deletes(w.a_config("goes"))
    effects = read(a_live("PersistentVolumeClaim", "data"), lists=[a_volume("Delete")])

    (form, *_) = plan_form(with_blast(plan, effects))["blast"]

    assert (form["rule"], form["isDataLost"], form["object"]["name"]) == ("BR-04", True, "data")


def test_a_list_is_read_once_for_all_objects():
    going = [Going(live=a_live("ConfigMap", name)) for name in "abc"]

    assert len(scopes_of(going, SERVED)) == 5


def test_other_rollouts_alone_are_asked_for_users():
    (scope, *_) = scopes_of([Going(live=a_live())], SERVED)

    assert scope == Scope("apps/v1", "Deployment", "shop", is_whole=True, is_foreign=True)
