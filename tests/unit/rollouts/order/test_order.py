from __future__ import annotations

from pathlib import Path

import pytest

from rollwright.documents import load_all
from rollwright.errors import InvalidManifests
from rollwright.rollouts.change import Edge
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef, Origin, ref_of
from rollwright.rollouts.order import (
    KIND_RANK,
    Gate,
    OrderContext,
    arrange,
    cycles,
    order_deletes,
    order_upserts,
    reduced,
    tie_key,
)
from rollwright.rollouts.scope import is_namespaced, place, scopes_of_crds


def body(api_version, kind, name, annotations=None, namespace="shop", **spec):
    metadata = {"name": name, "annotations": annotations or {}}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def manifest(*args, **kwargs) -> Manifest:
    return manifest_of(body(*args, **kwargs))


def manifest_of(value) -> Manifest:
    return Manifest(body=value, ref=ref_of(value), key="k", origin=Origin(file="all.yaml"))


def configs(count: int, annotations=None):
    return [manifest("v1", "ConfigMap", f"c{n:03}", annotations) for n in range(count)]


def workloads(count: int, annotations=None):
    return [manifest("apps/v1", "Deployment", f"d{n:03}", annotations) for n in range(count)]


def config(name: str) -> ObjectRef:
    return ObjectRef("", "ConfigMap", "shop", name)


def workload(name: str) -> ObjectRef:
    return ObjectRef("apps", "Deployment", "shop", name)


def test_nothing_is_ordered_to_nothing():
    assert order_upserts([]).placed == order_deletes([]).placed == ()


def test_the_same_object_twice_is_refused():
    with pytest.raises(InvalidManifests, match="declared twice"):
        order_upserts([*configs(1), *configs(1)])


def test_an_old_group_is_the_same_object():
    old = manifest("extensions/v1beta1", "Deployment", "d000")

    with pytest.raises(InvalidManifests, match="declared twice"):
        order_upserts([old, *workloads(1)])


def test_few_pairs_are_written_out():
    order = order_upserts([*configs(2), *workloads(1)])

    assert order.gates == ()
    assert order.by_ref[workload("d000")].needs == (
        Edge(ref=config("c000"), rule="OR-34"),
        Edge(ref=config("c001"), rule="OR-34"),
    )


def test_many_pairs_become_one_gate():
    order = order_upserts([*configs(20), *workloads(20)])

    [gate] = order.gates
    assert gate == Gate(id=gate.id, rule="OR-34", members=tuple(each.ref for each in configs(20)))
    assert {each.gates for each in order.placed if each.level} == {(gate.id,)}
    assert not any(each.needs for each in order.placed)


def test_a_single_object_on_one_side_is_never_a_gate():
    order = order_upserts([*configs(300), *workloads(1)])

    assert (order.gates, len(order.by_ref[workload("d000")].needs)) == ((), 300)


def test_what_is_written_grows_with_the_objects_and_not_with_the_pairs():
    order = order_upserts([*configs(1000), *workloads(1000)])

    edges = sum(len(each.needs) + len(each.gates) for each in order.placed)
    assert edges + sum(len(gate.members) for gate in order.gates) == 2000


def test_predecessors_look_into_gates():
    order = order_upserts([*configs(20), *workloads(20)])

    assert order.predecessors(workload("d007")) == tuple(
        Edge(ref=each.ref, rule="OR-34") for each in configs(20)
    )


def test_one_object_that_depends_back_leaves_the_gate_to_the_others():
    back = manifest("v1", "ConfigMap", "back", {DEPENDS: "apps/namespaces/shop/Deployment/d000"})

    order = order_upserts([*configs(20), back, *workloads(20)])

    waits = {
        place.ref: {edge.ref for edge in order.predecessors(place.ref)} for place in order.placed
    }
    assert back.ref not in waits[workload("d000")]
    assert waits[workload("d000")] == {each.ref for each in configs(20)}
    assert waits[workload("d001")] == {back.ref, *(each.ref for each in configs(20))}


DEPENDS = "rollwright.dev/depends-on"


@pytest.fixture
def pairs_that_depend_back():
    return [
        *(
            manifest("v1", "ConfigMap", f"c{n}", {DEPENDS: f"apps/namespaces/shop/Deployment/d{n}"})
            for n in range(5)
        ),
        *(manifest("apps/v1", "Deployment", f"d{n}") for n in range(5)),
        manifest("v1", "Service", "free"),
    ]


def test_a_knot_too_large_to_tell_its_pairs_apart_gives_way_as_a_whole(
    pairs_that_depend_back, monkeypatch
):
    exact = order_upserts(pairs_that_depend_back)
    monkeypatch.setattr(cycles, "PAIRS_LOOKED_AT", 3)

    coarse = order_upserts(pairs_that_depend_back)

    assert coarse.placed == exact.placed
    assert len(coarse.notes) == 1
    assert (
        "OR-34 dropped: Deployment/shop/d0 does not wait for ConfigMap/shop/c0 (and 24 more)"
        in (coarse.notes[0])
    )


def test_waves_are_listed_in_the_order_of_starts():
    wave = {"rollwright.dev/wave": "-1"}
    order = order_upserts([*configs(1), manifest("v1", "Secret", "s", wave)])

    assert [(number, len(places)) for number, places in order.waves] == [(-1, 1), (0, 1)]


def test_deletes_start_with_the_highest_wave():
    wave = {"rollwright.dev/wave": "1"}
    order = order_deletes([body("v1", "Secret", "a"), body("v1", "Secret", "b", wave)])

    assert [number for number, _ in order.waves] == [1, 0]


def test_the_reduction_leaves_out_what_follows():
    order = order_upserts(
        [
            manifest("v1", "Namespace", "shop", namespace=""),
            *configs(1),
            *workloads(1),
        ]
    )

    arrows = [(str(arrow.before), str(arrow.after), arrow.rules) for arrow in reduced(order)]
    assert arrows == [
        ("Namespace/shop", "ConfigMap/shop/c000", ("OR-31",)),
        ("ConfigMap/shop/c000", "Deployment/shop/d000", ("OR-34",)),
    ]


def test_the_reduction_draws_gates_as_nodes():
    order = order_upserts([*configs(20), *workloads(20)])

    arrows = reduced(order)
    assert len(arrows) == 40
    assert sum(arrow.before == order.gates[0].id for arrow in arrows) == 20


def test_an_unknown_rollout_is_a_problem_when_all_are_known():
    web = manifest(
        "apps/v1", "Deployment", "web", {DEPENDS: "app:db/apps/namespaces/x/Deployment/pg"}
    )

    with pytest.raises(InvalidManifests, match="depends on unknown rollout 'db'"):
        order_upserts([web], OrderContext(rollouts=frozenset({"shop"})))


def test_a_known_rollout_is_an_external_need():
    web = manifest(
        "apps/v1", "Deployment", "web", {DEPENDS: "app:db/apps/namespaces/x/Deployment/pg"}
    )

    order = order_upserts([web], OrderContext(rollouts=frozenset({"shop", "db"})))

    assert order.external == ((web.ref, "db", ObjectRef("apps", "Deployment", "x", "pg")),)


@pytest.mark.parametrize(
    "text",
    [
        "app:/apps/namespaces/x/Deployment/pg",
        "apps/namespaces//Deployment/pg",
        "apps/namespaces/x/Deployment/",
        "apps/namespaces/x/Deployment/pg/more",
        "apps/Deployment",
        "apps//pg",
        " ",
    ],
)
def test_malformed_references_are_problems(text):
    with pytest.raises(InvalidManifests, match="names no object"):
        order_upserts([manifest("apps/v1", "Deployment", "web", {DEPENDS: text})])


def test_kinds_known_to_the_cluster_are_custom():
    context = OrderContext(custom_kinds=frozenset({("shop.example.com", "Basket")}))
    crd = body("apiextensions.k8s.io/v1", "CustomResourceDefinition", "x", namespace="")
    basket = body("shop.example.com/v1", "Basket", "mine")

    order = order_deletes([crd, basket], context)

    assert [each.ref.kind for each in order.placed] == ["Basket", "CustomResourceDefinition"]


def hook(name, service, **rule):
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{"clientConfig": {"service": service}, "rules": [rule]}],
    }


BACKEND = {"namespace": "shop", "name": "hook"}
COVERS = {"apiGroups": ["shop.example.com"], "resources": ["*"], "operations": ["*"]}
BEHIND = [
    manifest("v1", "Service", "hook", selector={"app": "hook"}),
    manifest("apps/v1", "Deployment", "hook", template={"metadata": {"labels": {"app": "hook"}}}),
    manifest("shop.example.com/v1", "Basket", "mine"),
]
CUSTOM = frozenset({("shop.example.com", "Basket")})


def rules_of_basket(manifests, **context):
    order = order_upserts(manifests, OrderContext(custom_kinds=CUSTOM, **context))
    basket = ObjectRef("shop.example.com", "Basket", "shop", "mine")
    return {(edge.ref.kind, edge.rule) for edge in order.predecessors(basket)}


@pytest.mark.parametrize(
    ("change", "waits"),
    [
        ({}, True),
        ({"apiGroups": ["*"]}, True),
        ({"resources": ["*/*"]}, True),
        ({"resources": ["baskets"]}, False),
        ({"resources": None}, False),
        ({"apiGroups": ["apps"]}, False),
        ({"operations": ["DELETE", "CONNECT"]}, False),
        ({"operations": ["UPDATE"]}, True),
    ],
)
def test_custom_waits_for_the_backend_of_a_webhook_that_covers_it(change, waits):
    live = hook("h", BACKEND, **{**COVERS, **change})

    assert (rules_of_basket(BEHIND, webhooks=(live,)) == {("Deployment", "OR-37")}) is waits


def test_the_webhook_of_the_plan_replaces_the_live_one():
    planned = manifest_of(hook("h", {"namespace": "shop", "name": "other"}, **COVERS))

    assert rules_of_basket([*BEHIND, planned], webhooks=(hook("h", BACKEND, **COVERS),)) == set()


@pytest.mark.parametrize(
    "service", [None, {}, "hook", {"name": "hook"}, {"namespace": "shop", "name": "gone"}]
)
def test_a_webhook_without_a_service_of_this_plan_has_no_effect(service):
    assert rules_of_basket(BEHIND, webhooks=(hook("h", service, **COVERS),)) == set()


@pytest.mark.parametrize("selector", [None, {}, [], {"app": "other"}, {"app": "hook", "x": "1"}])
def test_a_selector_that_matches_no_pod_labels_has_no_workloads(selector):
    service = manifest("v1", "Service", "hook", selector=selector)

    assert (
        rules_of_basket([service, *BEHIND[1:]], webhooks=(hook("h", BACKEND, **COVERS),)) == set()
    )


@pytest.mark.parametrize("value", [None, [], "text", {"names": []}, {"group": None}])
def test_bodies_of_any_shape_are_ordered(value):
    odd = [
        {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": value}
        for api_version, kind in [
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("apiregistration.k8s.io/v1", "APIService"),
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
            ("v1", "Service"),
            ("apps/v1", "Deployment"),
            ("batch/v1", "CronJob"),
        ]
    ]

    assert len(order_upserts(map(manifest_of, odd)).placed) == len(odd)


@pytest.mark.parametrize("value", [None, [], "text", {1: "x", "rollwright.dev/wave": 3}])
def test_annotations_of_any_shape_are_read(value):
    odd = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "x", "annotations": value}}

    assert len(order_upserts([manifest_of(odd)]).placed) == 1


def test_the_rank_of_kinds_begins_with_namespaces_and_ends_with_webhooks():
    ranked = sorted(KIND_RANK, key=KIND_RANK.__getitem__)

    assert ranked[:2] == [
        ("", "Namespace"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ]
    assert ranked[-1] == ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration")


def test_a_foreign_kind_of_a_ranked_name_has_no_rank_of_its_own():
    knative = ObjectRef("serving.knative.dev", "Service", "shop", "web")

    assert tie_key(ObjectRef("", "Service", "shop", "web")) < tie_key(knative)
    assert tie_key(ObjectRef("batch", "CronJob", "shop", "web")) < tie_key(knative)


KUBE_PROMETHEUS = Path(__file__).parents[5] / "shared" / "apps" / "kube-prometheus"


@pytest.fixture(scope="module")
def kube_prometheus():
    if not KUBE_PROMETHEUS.is_dir():
        pytest.skip("kube-prometheus is not there")
    values = [
        document.value
        for path in sorted(KUBE_PROMETHEUS.rglob("*.yaml"))
        for document in load_all(path.read_text(), name=path.name)
    ]
    bodies = [one for value in values for one in value.get("items", [value])]
    found = [manifest_of(value) for value in bodies]
    crds = scopes_of_crds(found)
    return place(
        ManifestSet(tuple(found)),
        namespace="",
        scopes=lambda group, kind: (
            known if (known := is_namespaced(group, kind)) is not None else crds.get((group, kind))
        ),
    )


def test_kube_prometheus_needs_no_rule_dropped(kube_prometheus):
    assert len(kube_prometheus) == 131
    assert order_upserts(kube_prometheus).notes == ()


def test_kube_prometheus_begins_with_its_namespace_and_definitions(kube_prometheus):
    kinds = [each.ref.kind for each in order_upserts(kube_prometheus).placed]

    assert kinds[:11] == ["Namespace", *["CustomResourceDefinition"] * 10]
    assert kinds[-1] == "APIService"


def test_kube_prometheus_custom_resources_follow_their_definitions(kube_prometheus):
    order = order_upserts(kube_prometheus)

    custom = [each for each in order.placed if each.ref.group == "monitoring.coreos.com"]
    rules = [{edge.rule for edge in order.predecessors(each.ref)} for each in custom]
    assert rules == [{"OR-30", "OR-31", "OR-34"}] * 23


def test_kube_prometheus_is_deleted_from_its_custom_resources_to_its_namespace(kube_prometheus):
    order = order_deletes([each.body for each in kube_prometheus])

    assert order.placed[0].ref.group == "monitoring.coreos.com"
    assert order.placed[-1].ref == ObjectRef("", "Namespace", "", "monitoring")


def test_a_limit_of_pairs_changes_only_how_waits_are_written(kube_prometheus, monkeypatch):
    gated = order_upserts(kube_prometheus)
    monkeypatch.setattr(arrange, "PAIRS_WRITTEN_OUT", 10**9)

    written = order_upserts(kube_prometheus)

    assert [each.ref for each in written.placed] == [each.ref for each in gated.placed]
    assert all(
        written.predecessors(each.ref) == gated.predecessors(each.ref) for each in gated.placed
    )
