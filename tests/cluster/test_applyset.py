"""What kubectl, which knows ApplySets too, makes of ours: the same members, another's property."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from rollwright.errors import Refused
from rollwright.plugins.contracts import GetRequest
from rollwright.rollouts.ownership.fields import parent_ref, set_id
from rollwright.rollouts.report import Outcome
from rollwright.testing.sandbox import find_kubectl

pytestmark = pytest.mark.cluster

KIND = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
TOOLING = "applyset.kubernetes.io/tooling"
PART_OF = "applyset.kubernetes.io/part-of"


@pytest.fixture
def applyset(sandbox, tmp_path):
    """Run ``kubectl apply --prune --applyset`` as somebody else would; return what it says."""
    environment = {**os.environ, **sandbox.environment, "KUBECTL_APPLYSET": "true"}

    def run(parent, *bodies, options=()):
        items = {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
        return subprocess.run(
            [
                find_kubectl(), "apply", "-n", parent.namespace, "-f", "-", "--prune",
                f"--applyset=configmap/{parent.name}", *options,
            ],
            input=json.dumps(items), env=environment, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    return run


async def parent_of(shop):
    ref = parent_ref(shop.name, shop.name)
    async with shop.cluster() as cluster:
        return await cluster.get(GetRequest(ref=ref, api_version="v1"))


def members(kubectl, parent):
    """List as the annotations of a parent say: every kind in every namespace, by the label."""
    notes = parent.annotations
    spaces = {parent.ref.namespace, *notes[NAMESPACES].split(",")} - {""}
    found = set()
    for kind in notes[KIND].split(","):
        for space in spaces:
            label = f"{PART_OF}={parent.labels['applyset.kubernetes.io/id']}"
            listed = kubectl("-n", space, "get", kind, "-l", label, "-o", "json")
            for one in json.loads(listed)["items"]:
                place = one["metadata"].get("namespace", "")
                found.add((one["kind"], place, one["metadata"]["name"]))
    return found


def inventory(state):
    return {(entry.ref.kind, entry.ref.namespace, entry.ref.name) for entry in state.inventory}


async def test_the_parent_names_exactly_the_inventory(shop, make, kubectl, namespace):
    other = f"{namespace}-b"
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": namespace}, "rules": [],
    }  # fmt: skip
    kubectl("create", "namespace", other)
    shop.write(make.config("a"), make.config("b", other), make.deployment("web"), role)
    try:
        report = await shop.rollout()
        parent = await parent_of(shop)

        assert report.outcome is Outcome.SUCCEEDED, report.message
        assert parent.annotations[TOOLING].startswith("rollwright/")
        assert parent.annotations[KIND] == (
            "ClusterRole.rbac.authorization.k8s.io,ConfigMap,Deployment.apps"
        )
        assert parent.annotations[NAMESPACES] == other
        assert members(kubectl, parent) == inventory(await shop.state())
    finally:
        await shop.remove()
        kubectl("delete", "namespace", other, "--wait=false")


async def test_kubectl_refuses_to_take_our_set_over(shop, make, applyset):
    shop.write(make.config("a"))
    await shop.rollout()
    parent = await parent_of(shop)

    said = applyset(parent.ref, make.config("b"))

    assert said.returncode != 0
    assert 'managed by tooling "rollwright"' in said.stderr
    assert await shop.get("ConfigMap", "b") is None


async def test_kubectl_would_prune_exactly_our_inventory(shop, make, applyset, kubectl):
    shop.write(make.config("a"), make.config("b"), make.service("web"))
    await shop.rollout()
    parent = await parent_of(shop)
    # Whoever gives the set away changes the tool; from then on kubectl goes by the labels.
    kubectl(
        "-n", shop.name, "annotate", "--overwrite", "configmap", shop.name, f"{TOOLING}=kubectl/v1"
    )

    said = applyset(parent.ref, make.config("z"), options=["--dry-run=server"])

    pruned = {line.split()[0] for line in said.stdout.splitlines() if " pruned" in line}
    assert said.returncode == 0, said.stderr
    assert pruned == {"configmap/a", "configmap/b", "service/web"}


async def test_a_set_of_kubectl_is_refused_before_anything_is_written(shop, make, applyset):
    shop.write(make.config("a"))
    theirs = applyset(parent_ref(shop.name, shop.name), make.config("b"))

    with pytest.raises(Refused, match="is managed by 'kubectl' instead of 'rollwright'") as caught:
        await shop.rollout()

    assert theirs.returncode == 0, theirs.stderr
    assert caught.value.exit_code == 4
    assert await shop.state() is None
    assert await shop.get("ConfigMap", "a") is None


async def test_a_plan_says_already_that_the_set_is_of_another_tool(shop, make, applyset):
    shop.write(make.config("a"))
    applyset(parent_ref(shop.name, shop.name), make.config("b"))

    with pytest.raises(Refused, match="is managed by 'kubectl'"):
        await shop.plan()


async def test_a_member_of_a_set_of_kubectl_is_refused_with_both_names(shop, make, applyset):
    theirs = parent_ref("theirs", shop.name)
    applyset(theirs, make.config("a"))
    shop.write(make.config("a", key="ours"))

    with pytest.raises(Refused) as caught:
        await shop.rollout()

    assert set_id(theirs) in caught.value.message
    assert set_id(parent_ref(shop.name, shop.name)) in caught.value.message
    assert (await shop.get("ConfigMap", "a")).body["data"] == {"key": "value"}


async def test_a_member_that_kubectl_took_since_is_refused(shop, make, applyset):
    shop.write(make.config("a"))
    await shop.rollout()
    theirs = applyset(parent_ref("theirs", shop.name), make.config("a", key="theirs"))
    shop.write(make.config("a", key="ours"))

    with pytest.raises(Refused, match="is a member of ApplySet"):
        await shop.rollout()

    assert theirs.returncode == 0, theirs.stderr
    assert (await shop.get("ConfigMap", "a")).body["data"] == {"key": "theirs"}


async def test_what_kubectl_took_since_is_not_pruned(shop, make, applyset):
    shop.write(make.config("a"), make.config("b"))
    await shop.rollout()
    applyset(parent_ref("theirs", shop.name), make.config("a"))
    shop.drop("configmap-a")
    await shop.rollout()
    (entry,) = [one for one in (await shop.state()).inventory if one.ref.name == "a"]

    assert "is a member of ApplySet" in entry.why_kept
    assert await shop.get("ConfigMap", "a") is not None


async def test_a_config_map_of_somebody_is_no_parent(shop, make, kubectl):
    shop.write(make.config("a"))
    kubectl("-n", shop.name, "create", "configmap", shop.name, "--from-literal=precious=1")

    with pytest.raises(Refused, match=r"no label applyset\.kubernetes\.io/id"):
        await shop.rollout()

    assert (await shop.get("ConfigMap", shop.name)).body["data"] == {"precious": "1"}


async def test_the_parent_is_narrowed_when_kinds_have_left(shop, make):
    shop.write(make.config("a"), make.config("b"), make.service("web"))
    await shop.rollout()
    shop.drop("service-")
    await shop.rollout()

    assert (await parent_of(shop)).annotations[KIND] == "ConfigMap"


async def test_what_cannot_be_pruned_stays_in_the_parent(shop, make):
    service = make.service("web")
    service["metadata"]["annotations"] = {"rollwright.dev/prune": "disabled"}
    shop.write(make.config("a"), service)
    await shop.rollout()
    shop.drop("service-")
    shop.write(make.config("b"))
    await shop.rollout()

    assert (await parent_of(shop)).annotations[KIND] == "ConfigMap,Service"


async def test_a_run_costs_one_write_of_the_parent_and_one_more_if_it_shrinks(shop, make):
    shop.write(make.config("a"), make.service("web"))
    await shop.rollout()
    shop.write(make.config("a", key="other"))
    same = await shop.rollout()
    shop.drop("service-")
    shop.write(make.config("a", key="third"))
    fewer = await shop.rollout()

    assert (same.calls["apply"], fewer.calls["apply"]) == (1 + 1, 1 + 2)


async def test_a_run_without_changes_does_not_ask_for_the_parent(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    before = await parent_of(shop)
    report = await shop.rollout()

    # The state, the identity of the cluster.
    assert (report.calls["get"], report.calls["apply"]) == (2, 0)
    assert (await parent_of(shop)).resource_version == before.resource_version


async def test_a_removed_rollout_leaves_no_parent(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    await shop.remove()

    assert await parent_of(shop) is None


async def test_a_set_whose_parent_moves_to_another_namespace_follows(shop, make, tmp_path):
    shop.write(make.config("a"))
    store = {"use": "file", "path": str(tmp_path / "state")}
    shop.settle(store=store)
    await shop.rollout()
    before = (await shop.get("ConfigMap", "a")).labels[PART_OF]
    shop.settle(store=store, locks={"use": "lease", "namespace": "rollwright-system"})
    report = await shop.rollout()
    after = (await shop.get("ConfigMap", "a")).labels[PART_OF]
    await shop.remove()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert (before, after) == (
        set_id(parent_ref(shop.name, shop.name)), set_id(parent_ref(shop.name)),
    )  # fmt: skip


async def test_two_sites_with_one_name_do_not_take_each_others_objects(shop, make, tmp_path):
    shop.write(make.config("a"))
    await shop.rollout()
    store = {"use": "file", "path": str(tmp_path / "state")}
    shop.settle(store=store, locks={"use": "file", "path": str(tmp_path / "locks")})

    with pytest.raises(Refused, match="is a member of ApplySet"):
        await shop.plan()
