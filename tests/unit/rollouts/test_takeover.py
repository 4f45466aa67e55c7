"""Objects of other tools, adoption and modes, as the plan sees them."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.rollouts.change import Prediction
from rollwright.rollouts.live import live_object
from rollwright.rollouts.ownership.modes import annotation_mistakes, manager_of
from rollwright.rollouts.ownership.takeover import marks_of, owners, source_of
from rollwright.rollouts.spec.ownership import Tool

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
MODE = "rollwright.dev/apply-mode"

MARKS = {
    "helm label": (Tool.HELM, {"app.kubernetes.io/managed-by": "Helm"}, {}),
    "helm release": (Tool.HELM, {}, {"meta.helm.sh/release-name": "x"}),
    "flux kustomization": (Tool.FLUX, {"kustomize.toolkit.fluxcd.io/name": "x"}, {}),
    "flux chart": (Tool.FLUX, {"helm.toolkit.fluxcd.io/name": "x"}, {}),
    "argo tracking": (Tool.ARGOCD, {}, {"argocd.argoproj.io/tracking-id": "x"}),
    "kapp": (Tool.KAPP, {"kapp.k14s.io/app": "1"}, {}),
    "kluctl": (Tool.KLUCTL, {"kluctl.io/discriminator": "x"}, {}),
    "fleet": (Tool.FLEET, {"objectset.rio.cattle.io/hash": "x"}, {}),
    "config sync": (Tool.CONFIG_SYNC, {}, {"configsync.gke.io/resource-id": "x"}),
}


def marked(labels=None, annotations=None, **data):
    metadata = {"labels": labels or {}, "annotations": annotations or {}}
    return w.a_body(metadata=metadata, data=data or {"k": "v"})


@pytest.mark.parametrize("case", MARKS)
def test_a_tool_is_recognized_by_its_mark(case):
    tool, labels, annotations = MARKS[case]
    live = live_object(marked(labels, annotations))

    found = owners(live, w.a_manifest(w.a_config()), ())

    assert list(found) == [tool]


@pytest.mark.parametrize("case", MARKS)
def test_a_mark_without_permission_breaches_a_guard_that_says_what_to_write(case):
    tool, labels, annotations = MARKS[case]
    world = w.World()
    world.put(marked(labels, annotations), manager="something")

    plan = world.plan(w.a_set(w.a_config()))

    assert w.breached(plan) == ["AP-49"]
    assert f"apply.takeover: [{tool.value}]" in plan.guards[-1].message


def test_what_we_wrote_ourselves_is_taken_over_from_nobody():
    world = w.World()
    world.carry_out(world.plan(w.a_set(w.a_config())))
    ref = w.a_manifest(w.a_config()).ref

    def mark(body):
        body["metadata"]["annotations"] = {"rollwright.dev/pending-deletion": "now"}
        ours: dict[str, object] = {
            "f:metadata": {"f:annotations": {"f:rollwright.dev/pending-deletion": {}}}
        }
        body["metadata"]["managedFields"].append(
            {"manager": "rollwright", "operation": "Update", "fieldsV1": ours}
        )

    world.edit(ref, mark)

    plan = world.plan(w.a_set(w.a_config()))

    assert [change.taken_over for change in plan.changes if change.writes] == [("rollwright",)]
    assert not [note for note in plan.notes if note.startswith("takes over")]


@pytest.mark.parametrize("apply", [{"takeover": "helm"}, {"takeover": ["argocd", "helm"]}])
def test_a_tool_that_is_named_hands_over(apply):
    world = w.World(spec=w.a_spec(apply=apply))
    world.put(marked({"app.kubernetes.io/managed-by": "Helm"}), manager="helm")

    plan = world.plan(w.a_set(w.a_config()))

    assert w.breached(plan) == []
    assert "takes over 1 object from helm" in plan.notes
    assert w.only(plan).prediction is Prediction.SERVER_MIGRATION
    assert "metadata.labels['app.kubernetes.io/managed-by']" in [
        f.path for f in w.only(plan).fields
    ]


def test_what_kubectl_made_needs_no_permission():
    world = w.World()
    world.put(w.a_config(), manager="kubectl-create")

    assert w.breached(world.plan(w.a_set(w.a_config()))) == []


def test_a_label_that_the_manifest_sets_itself_is_no_mark():
    body = marked({"app.kubernetes.io/managed-by": "Helm"})

    assert not marks_of(Tool.HELM, live_object(body), w.a_manifest(body))


def test_a_chart_that_flux_installed_is_flux_s_alone():
    labels = {"app.kubernetes.io/managed-by": "Helm", "helm.toolkit.fluxcd.io/name": "x"}

    assert list(owners(live_object(marked(labels)), w.a_manifest(w.a_config()), ())) == [Tool.FLUX]


def test_an_object_of_ours_may_carry_any_mark():
    world = w.World()
    world.roll_out(w.a_config())
    ref = w.ref_of(w.a_config())
    world.edit(ref, lambda body: body["metadata"]["labels"].update({"kapp.k14s.io/app": "1"}))

    assert w.breached(world.plan(w.a_set(w.a_config(k="new")))) == []


ADOPT = {
    "mustMatch": (["IN-07"], ["IN-07", "AP-49"]),
    "adoptIfNoOwner": ([], ["AP-49"]),
    "adoptAll": (["IN-07"], ["IN-07"]),
}


@pytest.mark.parametrize("policy", ADOPT)
def test_the_policy_says_what_may_be_adopted(policy):
    unmarked, owned = ADOPT[policy]
    for labels, expected in (({}, unmarked), ({"kapp.k14s.io/app": "1"}, owned)):
        world = w.World(spec=w.a_spec(apply={"adopt": policy}))
        world.put(marked(labels), manager="something")

        plan = world.plan(w.a_set(w.a_config()))

        assert w.breached(plan) == expected
        assert all(guard.is_waivable is (policy == "adoptAll") for guard in plan.breached)


def test_an_object_that_we_made_matches_though_the_inventory_was_lost():
    world = w.World(spec=w.a_spec(apply={"adopt": "mustMatch"}))
    world.roll_out(w.a_config())
    world.state = None

    assert w.breached(world.plan(w.a_set(w.a_config()))) == []


def test_a_copied_label_proves_nothing():
    world = w.World(spec=w.a_spec(apply={"adopt": "mustMatch"}))
    world.put(marked({"rollwright.dev/rollout": "shop"}), manager="something")

    assert w.breached(world.plan(w.a_set(w.a_config()))) == ["IN-07"]


def test_a_field_that_only_kubectl_owned_is_shown_as_removed():
    world = w.World()
    world.put(w.a_config(k="v", old="x"), manager="kubectl-client-side-apply")

    change = w.only(world.plan(w.a_set(w.a_config(k="v"))))

    assert "data.old" in [field.path for field in change.fields]
    assert "managed by kubectl-client-side-apply" in change.why


@pytest.mark.parametrize("mode", ["Ignore", "ReadOnly", "IfNotPresent"])
def test_what_exists_is_left_alone(mode):
    world = w.World()
    world.put(w.a_config(k="theirs"), manager="something")
    wanted = w.a_set(w.a_config(k="ours", annotations={MODE: mode}))

    change = w.only(world.plan(wanted))

    assert change.operation.value == "keep"
    assert change.is_owned is False
    assert w.candidates(wanted, world.live(), None) == ()


@pytest.mark.parametrize(
    ("mode", "operation"),
    [("Ignore", "keep"), ("ReadOnly", "keep"), ("IfNotPresent", "create"), ("Merge", "create")],
)
def test_what_is_absent_is_created_by_its_mode(mode, operation):
    plan = w.World().plan(w.a_set(w.a_config(annotations={MODE: mode})))

    assert w.only(plan).operation.value == operation


def test_an_ignored_object_is_not_pruned():
    world = w.World()
    world.roll_out(w.a_config())

    plan = world.plan(w.a_set(w.a_config(annotations={MODE: "Ignore"})))
    world.carry_out(plan)

    assert w.operations(plan) == {"a": "keep"}
    assert [entry.ref.name for entry in world.state.inventory] == ["a"]


def test_a_merged_object_has_a_manager_of_the_rollout_s_own():
    (manifest,) = w.a_set(w.a_config(annotations={MODE: "Merge"}))

    assert manager_of(manifest) == "rollwright-shop"


def test_an_unknown_mode_is_told_with_its_place():
    (problem,) = annotation_mistakes(w.a_set(w.a_config(annotations={MODE: "merge"})))

    assert problem.where == "all.yaml:1"
    assert MODE in problem.path
    assert "'merge'" in problem.message


@pytest.mark.parametrize(
    ("managers", "words"),
    [
        (["kubectl-create"], "client-side apply"),
        (["helm"], "helm"),
        (["helm", "kubectl-edit"], "helm and client-side apply"),
        ([], "client-side apply"),
    ],
)
def test_who_hands_over_is_told_in_words(managers, words):
    assert source_of(managers) == words
