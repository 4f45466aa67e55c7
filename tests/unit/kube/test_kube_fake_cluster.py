"""The cluster in memory does what its documentation says."""

from __future__ import annotations

from typing import Any

import pytest

from rollwright.errors import ApplyConflict, ClusterError
from rollwright.plugins.contracts import (
    ApplyRequest,
    Cluster,
    DeleteRequest,
    EventType,
    GetRequest,
    ListRequest,
    LogRequest,
    PatchRequest,
    WatchEvent,
)
from rollwright.rollouts.manifest import ObjectRef
from rollwright.testing.fake import FakeCluster

REF = ObjectRef("", "ConfigMap", "shop", "a")
MAPS = ListRequest(api_version="v1", kind="ConfigMap")


def a_map(name: str = "a", labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"} | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def apply(cluster: FakeCluster, *, manager: str = "rollwright", **changes: Any):
    body = changes.pop("body", None) or a_map(**changes.pop("data", {"k": "v"}))
    return await cluster.apply(ApplyRequest(ref=REF, body=body, manager=manager, **changes))


def test_it_is_a_cluster() -> None:
    cluster: Cluster = FakeCluster()

    assert isinstance(cluster, Cluster)


async def test_an_apply_creates_and_the_same_again_writes_nothing() -> None:
    cluster = FakeCluster()
    first = await apply(cluster)

    second = await apply(cluster)

    assert (first.uid, first.resource_version) == (second.uid, second.resource_version)


async def test_a_dry_run_writes_nothing() -> None:
    cluster = FakeCluster()

    await apply(cluster, is_dry_run=True)

    assert (cluster.objects, cluster.calls["dry-run"]) == ({}, 1)


async def test_a_field_left_out_is_removed_if_nobody_else_owns_it() -> None:
    cluster = FakeCluster()
    await apply(cluster, data={"mine": "1", "both": "2"})
    await apply(cluster, data={"both": "2", "theirs": "3"}, manager="other")

    live = await apply(cluster, data={"new": "4"})

    assert live.body["data"] == {"both": "2", "theirs": "3", "new": "4"}


async def test_an_unforced_apply_meets_the_other_manager() -> None:
    cluster = FakeCluster()
    await apply(cluster, data={"k": "theirs"}, manager="other")

    with pytest.raises(ApplyConflict) as caught:
        await apply(cluster, force=False)

    cause = caught.value.causes[0]
    assert (cause.field, cause.message) == (".data.k", 'conflict with "other"')


async def test_a_forced_apply_takes_the_field() -> None:
    cluster = FakeCluster()
    await apply(cluster, data={"k": "theirs"}, manager="other")

    live = await apply(cluster)

    assert live.body["data"] == {"k": "v"}
    assert [one["manager"] for one in live.metadata["managedFields"]] == ["rollwright"]


@pytest.mark.parametrize("changes", [{"uid": "else"}, {"resource_version": "99"}])
async def test_preconditions_are_checked(changes: dict[str, str]) -> None:
    cluster = FakeCluster([a_map()])

    with pytest.raises(ClusterError) as caught:
        await apply(cluster, **changes)

    assert caught.value.status == 409


async def test_errors_come_in_order_and_then_no_more() -> None:
    cluster = FakeCluster()
    cluster.fail("apply", REF, ClusterError("one"), ClusterError("two"))
    told = []
    for _ in range(2):
        with pytest.raises(ClusterError) as caught:
            await apply(cluster)
        told.append(caught.value.message)

    await apply(cluster)

    assert (told, len(cluster.sent("apply"))) == (["one", "two"], 3)


async def test_errors_can_be_given_for_a_kind() -> None:
    cluster = FakeCluster()
    cluster.fail("list", "ConfigMap", ClusterError("no"))

    with pytest.raises(ClusterError, match="no"):
        await cluster.list(MAPS)


async def test_a_status_is_reported_after_an_apply() -> None:
    cluster = FakeCluster()
    cluster.report(REF, lambda body: {"seen": body["data"]["k"]})

    live = await apply(cluster)

    assert live.body["status"] == {"seen": "v"}


async def test_generation_follows_the_spec() -> None:
    ref = ObjectRef("apps", "Deployment", "shop", "a")
    cluster = FakeCluster()
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "shop"},
    }

    generations = []
    for changes in ({"spec": {"r": 1}}, {"spec": {"r": 1}, "x": 1}, {"spec": {"r": 2}}):
        live = await cluster.apply(ApplyRequest(ref=ref, body={**body, **changes}))
        generations.append(live.generation)

    assert generations == [1, 1, 2]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", "abc"),
        ("app=x", "a"),
        ("app!=x", "bc"),
        ("app", "ab"),
        ("!app", "c"),
        ("app in (x, y)", "ab"),
        ("app notin (x)", "bc"),
        ("app,tier==t", "b"),
    ],
)
async def test_labels_select(selector: str, names: str) -> None:
    maps = [a_map("a", {"app": "x"}), a_map("b", {"app": "y", "tier": "t"}), a_map("c")]
    cluster = FakeCluster(maps)

    found = await cluster.list(
        ListRequest(api_version="v1", kind="ConfigMap", label_selector=selector)
    )

    assert "".join(one.ref.name for one in found) == names


async def test_finalizers_keep_an_object() -> None:
    body = a_map()
    body["metadata"]["finalizers"] = ["example.com/wait"]
    cluster = FakeCluster([body])

    left = await cluster.delete(DeleteRequest(ref=REF, api_version="v1"))

    assert left is not None
    assert left.is_being_deleted


async def test_a_delete_takes_the_object_away() -> None:
    cluster = FakeCluster([a_map()])

    left = await cluster.delete(DeleteRequest(ref=REF, api_version="v1", uid="uid-1"))

    assert (left, await cluster.get(GetRequest(ref=REF, api_version="v1"))) == (None, None)


async def test_a_patch_changes_the_object() -> None:
    cluster = FakeCluster([a_map()])
    operations = ({"op": "add", "path": "/data/k", "value": "v"},)

    live = await cluster.patch(PatchRequest(ref=REF, api_version="v1", operations=operations))

    assert live.body["data"] == {"k": "v"}


async def test_a_patch_whose_test_fails_is_refused() -> None:
    cluster = FakeCluster([a_map()])
    operations = ({"op": "test", "path": "/metadata/resourceVersion", "value": "99"},)

    with pytest.raises(ClusterError):
        await cluster.patch(PatchRequest(ref=REF, api_version="v1", operations=operations))


async def test_a_create_of_what_is_there_is_refused() -> None:
    with pytest.raises(ClusterError) as caught:
        await FakeCluster([a_map()]).create(a_map())

    assert caught.value.status == 409


async def test_a_watch_tells_what_is_there_and_what_comes() -> None:
    cluster = FakeCluster([a_map()])
    events = cluster.watch(MAPS)
    told = [(await anext(events)).type for _ in range(2)]
    cluster.put(a_map("b"))
    cluster.remove(REF)
    cluster.push(WatchEvent(type=EventType.SYNCED))

    told += [(await anext(events)).type for _ in range(3)]

    assert [one.value for one in told] == ["ADDED", "SYNCED", "ADDED", "DELETED", "SYNCED"]


async def test_it_tells_who_it_is_and_counts() -> None:
    cluster = FakeCluster(name="blue", missing={"metrics.k8s.io": "no backend"})
    told = [await cluster.identity(), await cluster.server_version()]
    found = await cluster.discover()
    await cluster.discover()
    await cluster.close()

    assert (cluster.name, len(told), cluster.is_closed) == ("blue", 2, True)
    assert found.missing == {"metrics.k8s.io": "no backend"}
    assert (cluster.calls["discovery"], cluster.calls["get"], cluster.calls["other"]) == (1, 1, 1)


async def test_a_kind_of_a_silent_group_is_not_called_unknown() -> None:
    cluster = FakeCluster(missing={"metrics.k8s.io": "no backend"})

    with pytest.raises(ClusterError, match="no backend") as caught:
        await cluster.list(ListRequest(api_version="metrics.k8s.io/v1", kind="PodMetrics"))

    assert caught.value.status == 503


async def test_a_create_may_leave_the_name_to_the_server() -> None:
    body = {**a_map(), "metadata": {"generateName": "a-", "namespace": "shop"}}

    live = await FakeCluster().create(body)

    assert live.ref.name == "a-00001"


async def test_a_replace_needs_the_live_version() -> None:
    cluster = FakeCluster([a_map()])
    live = await cluster.get(GetRequest(ref=REF, api_version="v1"))
    assert live is not None
    new = await cluster.replace({**live.body, "data": {"k": "w"}})

    with pytest.raises(ClusterError) as caught:
        await cluster.replace({**live.body, "data": {"k": "x"}})

    assert (new.body["data"], caught.value.status) == ({"k": "w"}, 409)


async def test_a_kind_comes_with_its_crd() -> None:
    cluster = FakeCluster()
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "tabs.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Tab", "plural": "tabs"},
            "versions": [{"name": "v1", "served": True}],
        },
    }
    tabs = ListRequest(api_version="example.com/v1", kind="Tab")
    with pytest.raises(ClusterError) as caught:
        await cluster.list(tabs)

    await cluster.establish(crd)

    assert (caught.value.status, await cluster.list(tabs)) == (404, ())


async def test_a_log_is_what_a_test_wrote_down_and_empty_otherwise() -> None:
    cluster = FakeCluster()
    cluster.log("web", "main", "one\ntwo\nthree\n")
    pod = ObjectRef("", "Pod", "shop", "web")

    asked = LogRequest(pod=pod, container="main", tail_count=2)
    former = LogRequest(pod=pod, container="main", is_previous=True)

    assert (await cluster.logs(asked), await cluster.logs(former)) == ("two\nthree\n", "")
