"""What may be deleted, what stays and why, and the guards on how much goes."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.pruning.prune import (
    Leaving,
    guard_prune,
    keeping_annotation,
    may_delete,
    sort_stale,
)
from rollwright.rollouts.spec import PrunePolicy
from rollwright.rollouts.spec.rollout import PROTECTED_KINDS
from rollwright.rollouts.state import InventoryEntry

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
OFTEN = PrunePolicy(protect=())
APPLIED = [{"manager": "rollwright", "operation": "Apply", "fieldsV1": {"f:data": {}}}]


def ours(kind="ConfigMap", name="a", namespace="shop", api_version="v1", **metadata):
    """Return an object as one of our runs left it."""
    metadata = {
        "uid": f"uid-{name}", "labels": {"rollwright.dev/rollout": "shop"},
        "managedFields": APPLIED, **metadata,
    }  # fmt: skip
    return w.a_body(kind, name, namespace, api_version, metadata=metadata)


def an_entry(body, **facts):
    known = {"uid": body["metadata"].get("uid", ""), "wanted_digest": "sha256:x", **facts}
    return InventoryEntry(ref=ref_of(body), api_version=body["apiVersion"], **known)


def sort(*inventory, live=(), wanted=(), policy=OFTEN, **facts):
    return sort_stale("shop", policy, inventory, w.a_set(*wanted), w.a_live_set(*live, **facts))


def told(stale):
    """Return what becomes of each object, by name."""
    return (
        {one.ref.name: "" for one in stale.deletes}
        | {ref.name: f"kept: {why}" for ref, why in stale.kept.items()}
        | {ref.name: f"forgotten: {why}" for ref, why in stale.forgotten.items()}
    )


def fate(body, entry=None, **options):
    """Return what becomes of one live object that nobody wants."""
    return told(sort(entry or an_entry(body), live=[body], **options))[body["metadata"]["name"]]


# ------------------------------------------------------------------ whose it is


def test_an_object_of_ours_that_nobody_wants_goes():
    assert fate(ours()) == ""


HELM = {"rollwright.dev/rollout": "shop", "app.kubernetes.io/managed-by": "Helm"}


def test_an_object_that_another_tool_took_over_meanwhile_stays():
    body = ours(labels=HELM)

    assert fate(body) == "kept: belongs to helm (app.kubernetes.io/managed-by) now"
    why = may_delete("shop", OFTEN, an_entry(body), live_object(body), ())
    assert why == "belongs to helm (app.kubernetes.io/managed-by) now"


def test_a_mark_of_another_tool_that_we_applied_ourselves_keeps_nothing():
    mark: dict[str, object] = {}
    fields = {"f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": mark}}}
    applied = [{"manager": "rollwright", "operation": "Apply", "fieldsV1": fields}]

    assert fate(ours(labels=HELM, managedFields=applied)) == ""


def test_a_wanted_object_is_no_business_of_a_prune():
    body = ours()

    assert told(sort(an_entry(body), live=[body], wanted=[w.a_config()])) == {}


def test_an_object_that_the_inventory_does_not_name_is_never_touched():
    assert told(sort(live=[ours()])) == {}


def test_an_object_that_is_gone_is_forgotten():
    assert told(sort(an_entry(ours()))) == {"a": "forgotten: is already gone"}


def test_an_object_of_another_uid_is_forgotten():
    body = ours()

    assert fate(body, an_entry(body, uid="old")) == (
        "forgotten: was deleted and created again by somebody else"
    )


def test_an_object_that_lost_its_label_stays():
    assert fate(ours(labels={})) == (
        "kept: its label rollwright.dev/rollout no longer names this rollout"
    )


def test_an_object_that_moved_to_another_rollout_is_forgotten():
    assert fate(ours(labels={"rollwright.dev/rollout": "blog"})) == (
        "forgotten: belongs to rollout 'blog' now"
    )


def test_an_object_that_was_only_intended_is_forgotten():
    body = ours(labels={}, managedFields=[])

    assert fate(body, an_entry(body, uid="")) == "forgotten: was only intended, never applied"


def test_an_object_of_an_interrupted_run_goes():
    body = ours()

    assert fate(body, an_entry(body, uid="")) == ""


def test_an_object_of_an_interrupted_run_that_lost_its_label_is_not_forgotten():
    body = ours(labels={})

    assert fate(body, an_entry(body, uid="")).startswith("kept: its label")


def test_a_copied_label_alone_proves_nothing():
    body = ours(managedFields=[{"manager": "kubectl", "operation": "Apply", "fieldsV1": {}}])

    assert fate(body, an_entry(body, uid="")).startswith("kept: nothing but its label")


def test_an_object_whose_managers_were_wiped_goes_by_its_uid():
    assert fate(ours(managedFields=[])) == ""


def test_an_object_that_cannot_be_read_stays():
    entry = an_entry(ours())

    assert told(sort(entry, unreadable={entry.ref: "no endpoints"})) == {
        "a": "kept: cannot be read: no endpoints"
    }


def test_the_same_object_under_its_new_group_is_not_deleted():
    old = ours("Ingress", api_version="extensions/v1beta1")
    new = {**old, "apiVersion": "networking.k8s.io/v1"}
    wanted = w.a_body("Ingress", api_version="networking.k8s.io/v1")

    assert told(sort(an_entry(old), live=[old, new], wanted=[wanted])) == {
        "a": "forgotten: is the same object under another group's name"
    }


# ------------------------------------------------------------------ what stays


def test_nothing_goes_when_pruning_is_off():
    assert fate(ours(), policy=PrunePolicy(enabled=False)) == (
        "kept: pruning is off (prune.enabled: false)"
    )


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public", "kube-node-lease"])
def test_a_namespace_of_the_system_stays(name):
    assert fate(ours("Namespace", name, "")) == "kept: is a namespace of the system"


def test_a_kind_of_that_name_in_another_group_is_no_namespace():
    assert fate(ours("Namespace", "default", "", "example.com/v1")) == ""


@pytest.mark.parametrize("kind", PROTECTED_KINDS)
def test_protected_kinds_stay(kind):
    policy = PrunePolicy()

    assert (
        fate(ours(kind, namespace=""), policy=policy)
        == f"kept: {kind} is protected (prune.protect)"
    )


def test_a_namespace_that_wanted_objects_live_in_stays():
    namespace = ours("Namespace", "web", "")

    assert fate(namespace, wanted=[w.a_config(namespace="web")]) == (
        "kept: objects of this rollout live in it"
    )


def test_a_namespace_that_a_kept_object_lives_in_stays():
    namespace = ours("Namespace", "web", "")
    volume = ours("ConfigMap", "data", "web", annotations={"helm.sh/resource-policy": "keep"})

    found = told(sort(an_entry(namespace), an_entry(volume), live=[namespace, volume]))

    assert found["web"] == "kept: its end would delete ConfigMap/web/data, which stays"


def test_a_namespace_with_objects_that_cannot_be_read_stays():
    namespace, hidden = ours("Namespace", "web", ""), an_entry(ours("Gizmo", "g", "web", "x.io/v1"))

    found = told(
        sort(an_entry(namespace), hidden, live=[namespace], unreadable={hidden.ref: "down"})
    )

    assert found["web"].startswith("kept: its end would delete Gizmo/web/g")


def test_a_namespace_goes_with_what_goes_from_it():
    namespace, content = ours("Namespace", "web", ""), ours("ConfigMap", "data", "web")

    found = sort(an_entry(namespace), an_entry(content), live=[namespace, content])

    assert told(found) == {"web": "", "data": ""}


def a_live_crd():
    crd = ours("CustomResourceDefinition", "baskets.example.com", "", "apiextensions.k8s.io/v1")
    return {**crd, "spec": w.a_crd()["spec"]}


def test_a_crd_whose_objects_are_wanted_stays():
    wanted = w.a_body("Basket", "b", "shop", "example.com/v1")

    assert fate(a_live_crd(), wanted=[wanted]) == (
        "kept: its end would delete Basket/shop/b, which stays"
    )


def test_a_crd_of_which_no_object_stays_goes():
    assert fate(a_live_crd(), wanted=[w.a_body("Barrel", "b", "shop", "example.com/v1")]) == ""


def test_an_object_whose_controller_goes_too_goes():
    owner = ours(name="web")
    body = ours(
        ownerReferences=[{"kind": "X", "name": "web", "uid": "uid-web", "controller": True}]
    )

    found = sort(an_entry(owner), an_entry(body), live=[owner, body])

    assert told(found) == {"web": "", "a": ""}


def test_an_object_that_a_controller_owns_stays():
    owner = {"kind": "Deployment", "name": "web", "controller": True}

    assert fate(ours(ownerReferences=[owner])) == "kept: is controlled by Deployment/web"


def test_an_owner_that_is_no_controller_keeps_nothing():
    assert fate(ours(ownerReferences=[{"kind": "X", "name": "x"}, {"controller": False}])) == ""


def test_an_object_that_is_being_deleted_already_is_deleted_with_the_rest():
    assert fate(ours(deletionTimestamp="2025-01-01T00:00:00Z")) == ""


KEEPING = [
    ("rollwright.dev/prune", "disabled"),
    ("rollwright.dev/prune", "confirm"),
    ("argocd.argoproj.io/sync-options", "Prune=false"),
    ("argocd.argoproj.io/sync-options", "Delete=false"),
    ("argocd.argoproj.io/sync-options", "Prune=confirm"),
    ("argocd.argoproj.io/sync-options", "Delete=confirm"),
    ("argocd.argoproj.io/sync-options", "Prune=false,Replace=true"),
    ("argocd.argoproj.io/sync-options", "Replace=true, Prune=false"),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
    ("kustomize.toolkit.fluxcd.io/prune", "Disabled"),
    ("helm.sh/resource-policy", "keep"),
    ("helm.sh/resource-policy", " Keep "),
    ("cli-utils.sigs.k8s.io/on-remove", "keep"),
    ("client.lifecycle.config.k8s.io/deletion", "detach"),
    ("kapp.k14s.io/delete-strategy", "orphan"),
    ("kluctl.io/skip-delete", "true"),
]
IDLE = [
    ("rollwright.dev/prune", "enabled"),
    ("rollwright.dev/prune", ""),
    ("argocd.argoproj.io/sync-options", "Prune=true"),
    ("argocd.argoproj.io/sync-options", "Replace=true"),
    ("argocd.argoproj.io/sync-options", "NoPrune=false"),
    ("helm.sh/resource-policy", "delete"),
    ("kluctl.io/skip-delete", "false"),
    ("example.com/keep", "true"),
]


@pytest.mark.parametrize(("name", "value"), KEEPING)
def test_an_annotation_that_keeps_is_honored_and_named(name, value):
    assert fate(ours(annotations={name: value})) == f"kept: annotation {name}: {value} keeps it"


@pytest.mark.parametrize(("name", "value"), IDLE)
def test_other_annotations_keep_nothing(name, value):
    assert fate(ours(annotations={name: value})) == ""


def test_no_annotation_keeps_nothing():
    assert keeping_annotation({}) == ""


def test_the_annotation_that_was_last_wanted_counts_too():
    body = ours()

    found = fate(body, an_entry(body, keeping=("rollwright.dev/prune: disabled",)))

    assert found == "kept: annotation rollwright.dev/prune: disabled keeps it"


# ------------------------------------------------------------------ a person's word


def a_claim():
    return ours("PersistentVolumeClaim", "data")


def with_word(body, *names, policy=None, entry=None, **facts):
    """Return what becomes of an object that somebody named."""
    return sort_stale(
        "shop", policy or PrunePolicy(), [entry or an_entry(body)], w.a_set(), w.a_live_set(body),
        Leaving(allowed=names, namespace="shop", **facts),
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "PersistentVolumeClaim/shop/data",
        "persistentvolumeclaim/shop/data",
        "PersistentVolumeClaim/data",
    ],
)
def test_a_protected_object_goes_by_its_name(name):
    (row,) = with_word(a_claim(), name).guards

    assert (row.id, row.value, row.is_breached, row.waived_by) == (
        "PR-04", "PersistentVolumeClaim/shop/data", True, f"--allow-delete {name}"
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "PersistentVolumeClaim/other/data",
        "PersistentVolumeClaim/shop/other",
        "PersistentVolume/data",
        "PersistentVolumeClaim.apps/shop/data",
        "data",
    ],
)
def test_another_name_lets_nothing_go(name):
    assert not with_word(a_claim(), name).deletes


def test_a_short_name_means_the_rollouts_own_namespace():
    body = ours("PersistentVolumeClaim", "data", "elsewhere")

    assert not with_word(body, "PersistentVolumeClaim/data").deletes


def test_a_protected_object_that_stays_has_a_row_that_says_what_to_add():
    (row,) = with_word(a_claim()).guards

    assert (row.id, row.is_breached) == ("PR-04", False)
    assert row.message == (
        "guard PR-04: PersistentVolumeClaim/shop/data is protected and stays;"
        " --allow-delete PersistentVolumeClaim/shop/data lets it go"
    )


@pytest.mark.parametrize(
    ("annotation", "goes"),
    [
        ({"rollwright.dev/prune": "confirm"}, True),
        ({"argocd.argoproj.io/sync-options": "Prune=confirm"}, True),
        ({"argocd.argoproj.io/sync-options": "Delete=confirm"}, True),
        ({"rollwright.dev/prune": "disabled"}, False),
        ({"helm.sh/resource-policy": "keep"}, False),
    ],
)
def test_a_word_passes_what_asks_for_one_and_nothing_else(annotation, goes):
    found = with_word(ours(annotations=annotation), "ConfigMap/shop/a", policy=OFTEN)

    assert bool(found.deletes) is goes


def test_an_object_that_wants_a_word_has_a_row():
    found = with_word(ours(annotations={"rollwright.dev/prune": "confirm"}), policy=OFTEN)

    assert [row.id for row in found.guards] == ["PR-19"]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"faults": ("values.yaml is missing",)}, "input is missing: values.yaml is missing"),
        ({"taken": {ref_of(a_claim()): "rollout 'b' takes it over"}}, "rollout 'b' takes it over"),
        ({"waiting": {ref_of(a_claim()): "may go later"}}, "may go later"),
    ],
)
def test_a_word_does_not_pass_what_others_decide(facts, why):
    found = with_word(a_claim(), "PersistentVolumeClaim/data", **facts)

    assert list(found.kept.values()) == [why]


def test_a_namespace_with_tenants_stays():
    body = ours("Namespace", "web", "")

    found = with_word(body, "Namespace/web", tenants={"web": "X/y of rollout 'b' lives in it"})

    assert list(found.kept.values()) == ["X/y of rollout 'b' lives in it"]


# ------------------------------------------------------------------ what is still needed


def a_workload(name="web", **spec):
    spec = {"template": {"spec": {"containers": [], **spec}}}
    return w.a_body("Deployment", name, "shop", "apps/v1", spec=spec)


def test_what_a_wanted_workload_mounts_stays():
    wanted = a_workload(volumes=[{"configMap": {"name": "a"}}])

    assert fate(ours(), wanted=[wanted]) == "kept: Deployment/shop/web stays and needs it"


def test_what_a_wanted_workload_can_do_without_goes():
    wanted = a_workload(volumes=[{"configMap": {"name": "a", "optional": True}}])

    assert fate(ours(), wanted=[wanted]) == ""


def test_what_a_wanted_object_declares_to_depend_on_stays():
    wanted = w.a_config(
        "b", annotations={"rollwright.dev/depends-on": "/namespaces/shop/ConfigMap/a"}
    )

    assert fate(ours(), wanted=[wanted]).startswith("kept: ConfigMap/shop/b stays and needs it")


def test_what_a_spared_object_needs_stays_with_it():
    kept = ours("ConfigMap", "mid", annotations={"helm.sh/resource-policy": "keep"})
    kept["metadata"]["annotations"]["rollwright.dev/depends-on"] = "/namespaces/shop/ConfigMap/a"

    found = told(sort(an_entry(kept), an_entry(ours()), live=[kept, ours()]))

    assert found["a"] == "kept: ConfigMap/shop/mid stays and needs it"


# ------------------------------------------------------------------ once more, before the delete


def test_an_object_may_be_deleted_that_is_as_it_was_planned():
    body = ours()

    assert may_delete("shop", OFTEN, an_entry(body), live_object(body), ()) == ""


@pytest.mark.parametrize(
    ("body", "entry", "why"),
    [
        (ours(uid="new"), an_entry(ours()), "created again by somebody else"),
        (ours(labels={}), an_entry(ours()), "no longer names this rollout"),
        (ours(annotations={"helm.sh/resource-policy": "keep"}), an_entry(ours()), "keeps it"),
        (ours("Namespace", "web", ""), an_entry(ours("Namespace", "web", "")), "live in it"),
        (ours(managedFields=[]), an_entry(ours(), uid=""), "nothing but its label"),
    ],
)
def test_what_changed_since_the_plan_is_not_deleted(body, entry, why):
    assert why in may_delete("shop", OFTEN, entry, live_object(body), {"web"})


# ------------------------------------------------------------------ how much goes


def percent(total, deletes, limit=50):
    return guard_prune(PrunePolicy(max_percent=limit), total, deletes)


@pytest.mark.parametrize(
    ("total", "deletes", "limit", "is_breached"),
    [
        (10, 5, 50, False), (10, 6, 50, True), (5, 2, 50, False), (5, 3, 50, True),
        (6, 3, 50, False), (3000, 1000, 33, True), (3000, 990, 33, False),
        (10, 10, 100, False), (10, 1, 0, True), (10, 0, 0, False), (1000, 501, 50, True),
        (8, 1, 12.5, False), (8, 1, 12.4, True),
    ],
)  # fmt: skip
def test_the_percentage_is_exact_and_must_be_greater(total, deletes, limit, is_breached):
    (guard,) = percent(total, deletes, limit)

    assert (guard.id, guard.is_breached) == ("PR-02", is_breached)


@pytest.mark.parametrize(("total", "deletes"), [(4, 3), (4, 4), (1, 1), (0, 0)])
def test_below_five_objects_the_percentage_does_not_count(total, deletes):
    assert percent(total, deletes) == ()


@pytest.mark.parametrize(
    ("limit", "deletes", "is_breached"), [(0, 1, True), (0, 0, False), (2, 2, False), (2, 3, True)]
)
def test_the_number_of_deletes_must_be_greater_than_the_limit(limit, deletes, is_breached):
    guards = guard_prune(PrunePolicy(max_count=limit), 4, deletes)

    assert [(guard.id, guard.is_breached) for guard in guards] == [("PR-03", is_breached)]


def test_both_guards_are_evaluated():
    guards = guard_prune(PrunePolicy(max_count=1, max_percent=10), 10, 2)

    assert [(guard.id, guard.value, guard.limit) for guard in guards] == [
        ("PR-02", "20 % (2 of 10)", "10 %"), ("PR-03", "2", "1"),
    ]  # fmt: skip


def test_a_breach_says_what_it_found_and_what_it_allows():
    (guard,) = percent(10, 6)

    assert guard.message == "guard PR-02: deleting 60 % (6 of 10) is more than 50 %"


def test_a_guard_that_holds_says_nothing():
    (guard,) = percent(10, 5)

    assert guard.message == ""
