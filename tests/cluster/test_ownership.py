"""Objects that others made are taken over without losing or resurrecting a field."""

from __future__ import annotations

import json

import pytest

from rollwright import library
from rollwright.errors import GuardRefused, InvalidManifests
from rollwright.rollouts.change import Prediction
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster
APPLY = ("apply", "-f", "-")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture
def run(kubectl, shop):
    """Call kubectl in the test's namespace; objects go in as JSON."""

    def run(*arguments, given=None):
        stdin = None if given is None else json.dumps(given)
        return kubectl("-n", shop.name, *arguments, stdin=stdin)

    return run


@pytest.fixture
def as_manager(shop, run):
    """Write an object as a tool that is known by its field manager."""

    def as_manager(manager, body, *, server_side=False):
        if server_side:
            run("apply", "--server-side", f"--field-manager={manager}", "-f", "-", given=body)
        else:
            run("create", f"--field-manager={manager}", "-f", "-", given=body)

    return as_manager


def owners(live):
    return {
        (one["manager"], one["operation"], one.get("subresource", ""))
        for one in live.metadata["managedFields"]
    }


async def settles(shop):
    """Whether a second rollout asks nothing and changes nothing."""
    report = await shop.rollout()
    calls = report.calls
    return [calls[one] for one in ("dry-run", "apply", "patch")] == [0, 0, 0]


CREATED = {
    "kubectl apply": ("apply", "-f", "-"),
    "kubectl create": ("create", "-f", "-"),
    "kubectl apply --server-side": ("apply", "--server-side", "-f", "-"),
    "kubectl apply as another manager": ("apply", "--server-side", "--field-manager=kubectl-ci", "-f", "-"),
}  # fmt: skip


@pytest.mark.parametrize("how", CREATED, ids=lambda one: one.replace(" ", "-"))
async def test_what_kubectl_made_is_taken_over_without_a_field_that_left(shop, make, run, how):
    run(*CREATED[how], given=make.config("settings", color="blue", old="gone soon"))
    shop.write(make.config("settings", color="blue"))

    plan = await shop.plan()
    report = await shop.rollout()

    (change,) = [one for one in plan.changes if one.writes]
    live = await shop.get("ConfigMap", "settings")
    assert report.outcome is Outcome.SUCCEEDED
    assert live.body["data"] == {"color": "blue"}
    assert LAST_APPLIED not in live.annotations
    assert owners(live) == {("rollwright", "Apply", "")}
    assert change.prediction is Prediction.SERVER_MIGRATION
    assert "data.old" in [field.path for field in change.fields]
    assert any("takes over 1 object from client-side apply" in note for note in plan.notes)
    assert await settles(shop)


async def test_without_the_migration_a_field_that_left_stays(shop, make, run):
    shop.declare(apply={"migrateClientSide": False})
    run(*APPLY, given=make.config("settings", color="blue", old="stays"))
    shop.write(make.config("settings", color="blue"))

    await shop.rollout()

    live = await shop.get("ConfigMap", "settings")
    assert live.body["data"] == {"color": "blue", "old": "stays"}
    assert await settles(shop)


@pytest.mark.parametrize("command", ["apply", "create"])
async def test_a_workload_is_taken_over_with_its_defaults(shop, make, run, command):
    body = make.deployment("web", pod={"terminationGracePeriodSeconds": 7})
    run(command, "-f", "-", given=body)
    before = await shop.get("Deployment", "web")
    shop.write(body)

    plan = await shop.plan()
    await shop.rollout()

    (change,) = [one for one in plan.changes if one.writes]
    after = await shop.get("Deployment", "web")
    assert after.body["spec"] == before.body["spec"]
    assert [one.path for one in change.fields if one.path.startswith("spec")] == []
    assert await settles(shop)


async def test_a_sidecar_that_left_goes_and_a_default_comes_back(shop, make, run):
    old = make.deployment("web", revisionHistoryLimit=3)
    sidecar = {"name": "side", "image": "shop/side:1"}
    old["spec"]["template"]["spec"]["containers"].append(sidecar)
    run(*APPLY, given=old)
    shop.write(make.deployment("web"))

    (change,) = [one for one in (await shop.plan()).changes if one.writes]
    await shop.rollout()

    live = await shop.get("Deployment", "web")
    names = [one["name"] for one in live.body["spec"]["template"]["spec"]["containers"]]
    shown = {one.path: (one.old, one.new) for one in change.fields}
    assert names == ["main"]
    assert shown["spec.revisionHistoryLimit"] == (3, 10)
    assert live.body["spec"]["revisionHistoryLimit"] == 10
    assert await settles(shop)


@pytest.mark.parametrize("kind", ["Service", "PersistentVolumeClaim", "Job", "Secret"])
async def test_other_kinds_are_taken_over_as_they_are(shop, make, run, kind):
    claim = {
        "apiVersion": "v1", "kind": kind, "metadata": {"name": "one"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip
    secret = {
        "apiVersion": "v1", "kind": kind, "metadata": {"name": "one"}, "stringData": {"a": "b"},
    }  # fmt: skip
    body = {
        "Service": make.service("one"), "Job": make.job("one"), "Secret": secret,
        "PersistentVolumeClaim": claim,
    }[kind]  # fmt: skip
    run("create", "-f", "-", given=body)
    shop.declare(health={"skip": [{"kind": kind}]})
    before = await shop.get(kind, "one")
    shop.write(body)

    report = await shop.rollout()

    after = await shop.get(kind, "one")
    assert report.outcome is Outcome.SUCCEEDED
    assert after.uid == before.uid
    assert after.body.get("spec") == before.body.get("spec")
    assert after.body.get("data") == before.body.get("data")
    assert await settles(shop)


async def test_an_edit_of_a_person_is_taken_back_with_a_note(shop, make, run):
    shop.write(make.config("settings", color="blue"))
    await shop.rollout()
    run("patch", "configmap", "settings", "--field-manager=kubectl-edit", "-p",
        '{"data":{"color":"red"}}')  # fmt: skip

    (change,) = [one for one in (await shop.plan()).changes if one.writes]
    await shop.rollout()

    (conflict,) = change.conflicts
    assert (conflict.path, conflict.manager, conflict.operation) == (
        "data.color", "kubectl-edit", "Update",
    )  # fmt: skip
    assert (conflict.theirs, conflict.ours, conflict.is_person) == ("red", "blue", True)
    assert conflict.since is not None
    assert (await shop.get("ConfigMap", "settings")).body["data"] == {"color": "blue"}
    assert await settles(shop)


async def test_a_field_that_a_person_repeated_goes_when_it_leaves_the_manifest(shop, make, run):
    shop.write(make.config("settings", color="blue", size="1"))
    await shop.rollout()
    run("patch", "configmap", "settings", "--field-manager=kubectl-edit", "-p",
        '{"data":{"color":"red"}}')  # fmt: skip
    shop.write(make.config("settings", color="red", size="1"))
    await shop.rollout()
    shop.write(make.config("settings", size="1"))

    (change,) = [one for one in (await shop.plan()).changes if one.writes]
    await shop.rollout()

    assert [one.path for one in change.fields] == ["data.color"]
    assert (await shop.get("ConfigMap", "settings")).body["data"] == {"size": "1"}
    assert await settles(shop)


async def test_what_another_controller_added_stays(shop, make, run, as_manager):
    run(*APPLY, given=make.config("settings", color="blue"))
    as_manager("painter", make.config("settings", brush="wide"), server_side=True)
    shop.write(make.config("settings", color="blue"))

    await shop.rollout()

    live = await shop.get("ConfigMap", "settings")
    assert live.body["data"] == {"color": "blue", "brush": "wide"}
    assert ("painter", "Apply", "") in owners(live)
    assert await settles(shop)


HELM = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "x"},
}  # fmt: skip
FLUX = {
    "labels": {
        "kustomize.toolkit.fluxcd.io/name": "shop",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    }
}
ARGO = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:x/settings"}}
TOOLS = {
    "helm 3": ("helm", "helm", HELM, False),
    "helm 4": ("helm", "helm", HELM, True),
    "flux": ("flux", "kustomize-controller", FLUX, True),
    "helm of flux": ("flux", "helm-controller", HELM | {"labels": {**HELM["labels"], "helm.toolkit.fluxcd.io/name": "s"}}, False),
    "argocd": ("argocd", "argocd-controller", ARGO, False),
}  # fmt: skip


@pytest.mark.parametrize("case", TOOLS, ids=lambda one: one.replace(" ", "-"))
async def test_objects_of_other_tools_are_refused_until_they_are_named(
    shop, make, as_manager, case
):
    tool, manager, marks, server_side = TOOLS[case]
    body = make.config("settings", color="blue", old="x")
    body["metadata"] |= marks
    as_manager(manager, body, server_side=server_side)
    shop.write(make.config("settings", color="blue"))

    with pytest.raises(GuardRefused) as caught:
        await shop.rollout()
    shop.declare(apply={"takeover": tool})
    report = await shop.rollout()

    live = await shop.get("ConfigMap", "settings")
    assert f"takeover: [{tool}]" in caught.value.message
    assert any(f"from {tool}" in note for note in report.plan.notes)
    assert live.body["data"] == {"color": "blue"}
    assert not live.annotations
    assert all(name.startswith(("rollwright.dev/", "applyset.")) for name in live.labels)
    assert owners(live) == {("rollwright", "Apply", "")}
    assert await settles(shop)


def an_hpa(name):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 9},
    }  # fmt: skip


@pytest.mark.parametrize("where", ["declared", "live"])
async def test_replicas_of_an_autoscaled_workload_are_left_alone(shop, make, run, where):
    shop.declare(health={"skip": [{"kind": "HorizontalPodAutoscaler"}]})
    shop.write(make.deployment("web"), *([an_hpa("web")] if where == "declared" else []))
    await shop.rollout()
    if where == "live":
        run(*APPLY, given=an_hpa("web"))
    run("scale", "deployment/web", "--replicas=3")
    shop.write(make.deployment("web", minReadySeconds=1))

    plan = await shop.plan()
    await shop.rollout()

    (change,) = [one for one in plan.changes if one.writes]
    live = await shop.get("Deployment", "web")
    assert live.body["spec"]["replicas"] == 3
    assert [one.path for one in change.fields] == ["spec.minReadySeconds"]
    assert any("HorizontalPodAutoscaler web" in note for note in change.notes)
    assert await settles(shop)


async def test_replicas_stay_when_an_autoscaler_takes_their_place_in_the_manifests(shop, make):
    shop.declare(health={"skip": [{"kind": "HorizontalPodAutoscaler"}]})
    shop.write(make.deployment("web", replicas=3))
    await shop.rollout()
    body = make.deployment("web")
    del body["spec"]["replicas"]
    shop.write(body, an_hpa("web"))

    await shop.rollout()

    assert (await shop.get("Deployment", "web")).body["spec"]["replicas"] == 3
    assert await settles(shop)


RULES = {
    "leave": ("red", ("painter", "Apply", "")),
    "adopt": ("red", ("rollwright", "Apply", "")),
    "take": ("blue", ("rollwright", "Apply", "")),
}


@pytest.mark.parametrize("action", RULES)
@pytest.mark.parametrize("by", ["rule", "annotation", "field annotation"])
async def test_a_conflict_goes_by_its_rule(shop, make, as_manager, action, by):
    color, owner = RULES[action]
    as_manager("painter", make.config("settings", color="red"), server_side=True)
    body = make.config("settings", color="blue", size="1")
    if by == "rule":
        rule = {"kind": "ConfigMap", "field": "data.color", "manager": "paint*", "action": action}
        shop.declare(apply={"conflicts": [rule]})
    elif by == "annotation":
        body["metadata"]["annotations"] = {"rollwright.dev/conflicts": action}
    else:
        named = {"rollwright.dev/conflicts-field.1": f"{action} data.color"}
        body["metadata"]["annotations"] = named
    shop.write(body)

    report = await shop.rollout()

    live = await shop.get("ConfigMap", "settings")
    (change,) = [one for one in report.plan.changes if one.writes]
    assert [(one.path, one.action) for one in change.conflicts] == [("data.color", action)]
    assert live.body["data"] == {"color": color, "size": "1"}
    assert any(
        "f:color" in one["fieldsV1"].get("f:data", {})
        for one in live.metadata["managedFields"]
        if (one["manager"], one["operation"], "") == owner
    )
    assert await settles(shop)


async def test_a_conflict_that_may_not_be_is_refused(shop, make, as_manager):
    as_manager("painter", make.config("settings", color="red"), server_side=True)
    shop.declare(apply={"conflicts": [{"manager": "painter", "action": "fail"}]})
    shop.write(make.config("settings", color="blue"))

    with pytest.raises(GuardRefused) as caught:
        await shop.rollout()

    assert "data.color (owned by painter)" in caught.value.message


async def test_an_ignored_field_keeps_its_live_value(shop, make, run):
    shop.declare(
        apply={
            "ignore": [
                {
                    "target": {"kind": "Deployment"},
                    "paths": ["/spec/template/spec/containers/0/image", "/spec/replicas"],
                }
            ]
        }
    )
    shop.write(make.deployment("web"))
    await shop.rollout()
    run("set", "image", "deployment/web", "main=shop/other:9")
    run("scale", "deployment/web", "--replicas=2")

    plan = await shop.plan()
    await shop.rollout()
    again = await settles(shop)
    shop.write(make.deployment("web", minReadySeconds=1))
    report = await shop.rollout()

    live = await shop.get("Deployment", "web")
    (change,) = [one for one in report.plan.changes if one.writes]
    assert [one for one in plan.changes if one.writes] == []
    assert again
    assert live.body["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/other:9"
    assert live.body["spec"]["replicas"] == 2
    assert change.ignored == ("spec.template.spec.containers[main].image", "spec.replicas")
    assert [one.path for one in change.fields] == ["spec.minReadySeconds"]


async def test_what_is_ignored_no_longer_becomes_as_declared(shop, make, run):
    ignore = [{"target": {"kind": "ConfigMap"}, "paths": ["/data/color"]}]
    shop.declare(apply={"ignore": ignore})
    shop.write(make.config("settings", color="blue"))
    await shop.rollout()
    run("patch", "configmap", "settings", "-p", '{"data":{"color":"red"}}')
    await shop.rollout()
    left = (await shop.get("ConfigMap", "settings")).body["data"]
    shop.declare()

    await shop.rollout()

    assert left == {"color": "red"}
    assert (await shop.get("ConfigMap", "settings")).body["data"] == {"color": "blue"}
    assert await settles(shop)


MODES = {
    "IfNotPresent": ({"color": "red"}, False),
    "Ignore": ({"color": "red"}, False),
    "ReadOnly": ({"color": "red"}, False),
    "Merge": ({"color": "blue", "brush": "wide"}, True),
    "Override": ({"color": "blue", "brush": "wide"}, True),
}


@pytest.mark.parametrize("mode", MODES)
async def test_the_mode_of_an_object_says_how_much_is_ours(shop, make, as_manager, mode):
    data, is_written = MODES[mode]
    there = make.config("settings", color="red", **({"brush": "wide"} if is_written else {}))
    as_manager("painter", there, server_side=True)
    body = make.config("settings", color="blue")
    body["metadata"]["annotations"] = {"rollwright.dev/apply-mode": mode}
    shop.write(body, make.config("other"))

    await shop.rollout()

    live = await shop.get("ConfigMap", "settings")
    ours = {one[0] for one in owners(live)} - {"painter"}
    expected = {"Merge": {f"rollwright-{shop.name}"}, "Override": {"rollwright"}}
    assert live.body["data"] == data
    assert ours == expected.get(mode, set())
    assert await settles(shop)


@pytest.mark.parametrize("mode", ["IfNotPresent", "Ignore", "ReadOnly"])
async def test_what_was_not_ours_is_not_deleted_with_its_manifest(shop, make, run, mode):
    run(*APPLY, given=make.config("settings", color="red"))
    body = make.config("settings", color="blue")
    body["metadata"]["annotations"] = {"rollwright.dev/apply-mode": mode}
    shop.write(body, make.config("other"))
    await shop.rollout()
    shop.drop("settings")

    await shop.rollout()

    assert await shop.get("ConfigMap", "settings") is not None


async def test_an_absent_object_is_created_once_and_then_left(shop, make, run):
    body = make.config("settings", color="blue")
    body["metadata"]["annotations"] = {"rollwright.dev/apply-mode": "IfNotPresent"}
    shop.write(body)
    await shop.rollout()
    run("patch", "configmap", "settings", "-p", '{"data":{"color":"red"}}')

    await shop.rollout()

    assert (await shop.get("ConfigMap", "settings")).body["data"] == {"color": "red"}
    assert await settles(shop)


async def test_an_unknown_mode_is_a_problem_of_the_manifest(shop, make):
    body = make.config("settings")
    body["metadata"]["annotations"] = {"rollwright.dev/apply-mode": "Overwrite"}
    shop.write(body)

    with pytest.raises(InvalidManifests) as caught:
        await shop.plan()

    assert "expected one of Override, Merge" in caught.value.message


async def test_only_our_own_objects_may_be_written(shop, make, run):
    shop.declare(apply={"adopt": "mustMatch"})
    run(*APPLY, given=make.config("settings"))
    shop.write(make.config("settings"))

    with pytest.raises(GuardRefused) as caught:
        await shop.rollout()

    assert "mustMatch" in caught.value.message


async def test_an_object_that_changes_meanwhile_is_taken_over_all_the_same(shop, make, run):
    run(*APPLY, given=make.config("settings", color="blue", old="x"))
    shop.write(make.config("settings", color="blue"))
    plan = await shop.plan()
    run("annotate", "configmap", "settings", "seen=yes")

    await shop.rollout()

    live = await shop.get("ConfigMap", "settings")
    assert plan.breached == ()
    assert live.body["data"] == {"color": "blue"}
    assert owners(live) == {("rollwright", "Apply", "")}


async def test_a_new_version_of_an_api_keeps_the_fields_ours(shop, make):
    old = an_hpa("web") | {"apiVersion": "autoscaling/v1"}
    shop.declare(health={"skip": [{"kind": "HorizontalPodAutoscaler"}]})
    shop.write(old)
    await shop.rollout()
    shop.write(an_hpa("web"))

    await shop.rollout()

    assert await settles(shop)


@pytest.mark.parametrize("part", ["stringData", "data"])
async def test_a_key_that_leaves_a_secret_is_gone(shop, make, run, part):
    values = {"a": "MQ==", "old": "Mg=="} if part == "data" else {"a": "1", "old": "2"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, part: values}
    run(*APPLY, given=body)
    shop.write(body | {part: {key: values[key] for key in ("a",)} | {"b": "Mw=="}})
    await shop.rollout()
    first = (await shop.get("Secret", "keys")).body["data"]
    shop.write(body | {part: {"a": values["a"]}})

    await shop.rollout()

    assert set(first) == {"a", "b"}
    assert (await shop.get("Secret", "keys")).body["data"] == {"a": "MQ=="}
    assert await settles(shop)


async def test_what_kubectl_made_may_have_fields_left_as_they_are(shop, make, run):
    run(*APPLY, given=make.config("settings", color="red", old="x"))
    shop.declare(apply={"conflicts": [{"field": "data.color", "action": "leave"}]})
    shop.write(make.config("settings", color="blue"))

    await shop.rollout()

    assert (await shop.get("ConfigMap", "settings")).body["data"] == {"color": "red"}
    assert await settles(shop)


async def test_a_field_of_a_new_version_can_be_applied_over_an_old_one(shop, make, run, kubectl):
    group = f"own{abs(hash(shop.name)) % 10**8}.example.com"
    crd = make.crd(group, "Gadget")
    text = {"type": "string"}

    def version(name, *, is_stored, **fields):
        spec = {"type": "object", "properties": fields}
        schema = {"type": "object", "properties": {"spec": spec}}
        served = {"name": name, "served": True, "storage": is_stored}
        return {**served, "schema": {"openAPIV3Schema": schema}}

    def gadget(name, **spec):
        return {
            "apiVersion": f"{group}/{name}", "kind": "Gadget", "metadata": {"name": "one"},
            "spec": spec,
        }  # fmt: skip

    try:
        crd["spec"]["versions"] = [version("v1beta1", is_stored=True, a=text)]
        run(*APPLY, given=crd)
        kubectl("wait", "--for=condition=Established", f"crd/gadgets.{group}")
        shop.write(gadget("v1beta1", a="x"))
        await shop.rollout()
        crd["spec"]["versions"] = [
            version("v1beta1", is_stored=False, a=text),
            version("v1", is_stored=True, a=text, b=text),
        ]
        run(*APPLY, given=crd)
        shop.write(gadget("v1", b="new"))
        await until_served(shop, f"{group}/v1")

        report = await shop.rollout()

        assert report.outcome is Outcome.SUCCEEDED
        assert run("get", f"gadgets.v1.{group}", "one", "-o", "jsonpath={.spec}") == '{"b":"new"}'
        assert await settles(shop)
    finally:
        kubectl("delete", "crd", f"gadgets.{group}", "--ignore-not-found")


async def until_served(shop, api_version, kind="Gadget"):
    """Wait until the server knows the schema of a new version."""
    for _ in range(200):
        async with shop.cluster() as cluster:
            if (await cluster.discover()).find(api_version, kind) is not None:
                return
    raise AssertionError(f"{api_version} is not served")


async def test_a_saved_plan_takes_over_what_it_showed(shop, make, as_manager, run, tmp_path):
    chart = make.config("chart", color="blue", old="x")
    chart["metadata"] |= HELM
    as_manager("helm", chart)
    run(*APPLY, given=make.config("settings", color="blue", old="x"))
    as_manager("painter", make.config("wall", color="red"), server_side=True)
    rule = {"name": "wall", "action": "leave"}
    shop.declare(apply={"takeover": "helm", "conflicts": [rule]})
    names = ("chart", "settings", "wall")
    shop.write(*(make.config(name, color="blue", size="1") for name in names))
    file = tmp_path / "plan.json"
    await library.save_plan(shop.folder, file)

    report = await shop.rollout(plan=file)

    found = {name: (await shop.get("ConfigMap", name)).body["data"] for name in names}
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert found == {
        "chart": {"color": "blue", "size": "1"},
        "settings": {"color": "blue", "size": "1"},
        "wall": {"color": "red", "size": "1"},
    }
    assert await settles(shop)


OTHER_KINDS: dict[str, dict[str, object]] = {
    "ServiceAccount": {"apiVersion": "v1"},
    "Ingress": {
        "apiVersion": "networking.k8s.io/v1",
        "spec": {
            "rules": [
                {
                    "host": "a.b",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "x", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ]
        },
    },
    "PodDisruptionBudget": {
        "apiVersion": "policy/v1",
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}},
    },
    "NetworkPolicy": {
        "apiVersion": "networking.k8s.io/v1",
        "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]},
    },
    "CronJob": {
        "apiVersion": "batch/v1",
        "spec": {
            "schedule": "* * 1 1 *",
            "jobTemplate": {
                "spec": {
                    "template": {
                        "spec": {
                            "restartPolicy": "Never",
                            "containers": [{"name": "m", "image": "x"}],
                        }
                    }
                }
            },
        },
    },
    "StatefulSet": {
        "apiVersion": "apps/v1",
        "spec": {
            "serviceName": "x",
            "replicas": 1,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {
                    "containers": [{"name": "m", "image": "x", "ports": [{"containerPort": 80}]}]
                },
            },
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "d"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "1Gi"}},
                    },
                }
            ],
        },
    },
    "DaemonSet": {
        "apiVersion": "apps/v1",
        "spec": {
            "selector": {"matchLabels": {"a": "c"}},
            "template": {
                "metadata": {"labels": {"a": "c"}},
                "spec": {
                    "containers": [
                        {"name": "m", "image": "x", "resources": {"limits": {"cpu": "1000m"}}}
                    ]
                },
            },
        },
    },
    "HorizontalPodAutoscaler": {
        "apiVersion": "autoscaling/v2",
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "no"},
            "maxReplicas": 3,
        },
    },
    "RoleBinding": {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "x"}],
    },
    "Pod": {"apiVersion": "v1", "spec": {"containers": [{"name": "m", "image": "x"}]}},
}


@pytest.mark.parametrize("command", ["apply", "create"])
async def test_nothing_but_labels_changes_of_what_is_as_declared(shop, run, command):
    bodies = [
        {"kind": kind, "metadata": {"name": "one"}, **one} for kind, one in OTHER_KINDS.items()
    ]
    for body in bodies:
        run(command, "-f", "-", given=body)
    shop.declare(health={"skip": [{"name": "one"}]})
    shop.write(*bodies)

    report = await shop.rollout()

    changed = {
        (change.ref.kind, field.path)
        for change in report.plan.changes
        for field in change.fields
        if not field.path.startswith("metadata.labels")
    }
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert changed == set()
    assert await settles(shop)


async def test_what_cannot_be_taken_over_in_place_is_refused_by_the_plan(shop, run):
    limits = {
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]},
    }  # fmt: skip
    pod = {"kind": "Pod", "metadata": {"name": "one"}, **OTHER_KINDS["Pod"]}
    run("create", "-f", "-", given=limits)
    run("create", "-f", "-", given=pod)
    run("delete", "limitrange", "limits")
    shop.write(pod)

    with pytest.raises(GuardRefused) as caught:
        await shop.rollout()

    assert "Pod" in caught.value.message
    assert "cannot be changed in place" in caught.value.message
