"""The port against a real control plane."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from rollwright.errors import ApplyConflict, ClusterError, Unauthorized, Unreachable
from rollwright.kube import connect
from rollwright.kube.cluster import KubeCluster
from rollwright.kube.watch import Watch
from rollwright.plugins.contracts import (
    ApplyRequest,
    Cluster,
    DeleteRequest,
    EventType,
    GetRequest,
    ListRequest,
    PatchRequest,
    Propagation,
    WatchEvent,
)
from rollwright.rollouts.manifest import ObjectRef, ref_of

pytestmark = pytest.mark.cluster


@pytest.fixture
async def cluster(sandbox) -> AsyncIterator[KubeCluster]:
    connected = await connect(kubeconfig=sandbox.kubeconfig)
    yield connected
    await connected.close()


def a_map(namespace: str, name: str = "a", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data or {"k": "v"},
    }


def applying(body, **options) -> ApplyRequest:
    return ApplyRequest(ref=ref_of(body), body=body, **options)


def the_map(namespace: str, name: str = "a") -> GetRequest:
    return GetRequest(ref=ObjectRef("", "ConfigMap", namespace, name), api_version="v1")


def maps(namespace: str, **options) -> ListRequest:
    return ListRequest(
        api_version="v1",
        kind="ConfigMap",
        namespace=namespace,
        field_selector="metadata.name!=kube-root-ca.crt",
        **options,
    )


# ------------------------------------------------------------------ who is there


async def test_it_is_a_cluster(cluster) -> None:
    port: Cluster = cluster

    assert isinstance(port, Cluster)


async def test_identity_and_version_are_asked_once(cluster, kubectl) -> None:
    uid = kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")

    told = [(await cluster.identity(), await cluster.server_version()) for _ in range(2)]

    assert told == [(uid, told[0][1])] * 2
    assert told[0][1].startswith("v1.")
    assert (cluster.calls["get"], cluster.calls["other"]) == (1, 1)


async def test_discovery_knows_what_kubectl_knows(cluster, kubectl) -> None:
    lines = kubectl("api-resources", "--no-headers", "--sort-by=name").splitlines()
    known = {(line.split()[-3], line.split()[-1]) for line in lines}

    found = await cluster.discover()

    preferred = {(one.api_version, one.kind) for one in found.kinds.values() if one.is_preferred}
    assert known <= preferred
    assert cluster.calls["discovery"] == 2


# ------------------------------------------------------------------ apply


async def test_an_apply_creates_and_owns(cluster, namespace) -> None:
    live = await cluster.apply(applying(a_map(namespace)))

    entry = live.metadata["managedFields"][0]
    assert (entry["manager"], entry["operation"]) == ("rollwright", "Apply")
    assert live.body["data"] == {"k": "v"}


async def test_the_same_apply_again_writes_nothing(cluster, namespace) -> None:
    first = await cluster.apply(applying(a_map(namespace)))

    second = await cluster.apply(applying(a_map(namespace)))

    assert first.resource_version == second.resource_version


async def test_another_apply_writes(cluster, namespace) -> None:
    first = await cluster.apply(applying(a_map(namespace)))

    second = await cluster.apply(applying(a_map(namespace, k="w")))

    assert first.uid == second.uid
    assert first.resource_version != second.resource_version


async def test_a_dry_run_answers_and_writes_nothing(cluster, namespace) -> None:
    predicted = await cluster.apply(applying(a_map(namespace), is_dry_run=True))

    assert predicted.body["data"] == {"k": "v"}
    assert await cluster.get(the_map(namespace)) is None


async def test_a_conflict_tells_field_and_manager(cluster, namespace) -> None:
    await cluster.apply(applying(a_map(namespace), manager="somebody"))

    with pytest.raises(ApplyConflict) as caught:
        await cluster.apply(applying(a_map(namespace, k="w"), force=False))

    (cause,) = caught.value.causes
    assert (cause.field, caught.value.status) == (".data.k", 409)
    assert '"somebody"' in cause.message


async def test_a_forced_apply_takes_the_field(cluster, namespace) -> None:
    await cluster.apply(applying(a_map(namespace), manager="somebody"))

    live = await cluster.apply(applying(a_map(namespace, k="w")))

    assert live.body["data"] == {"k": "w"}


async def test_preconditions_of_an_apply_are_kept(cluster, namespace) -> None:
    live = await cluster.apply(applying(a_map(namespace)))
    wrong = [{"uid": "00000000-0000-0000-0000-000000000000"}, {"resource_version": "1"}]

    codes = []
    for precondition in wrong:
        with pytest.raises(ClusterError) as caught:
            await cluster.apply(applying(a_map(namespace, k="w"), **precondition))
        codes.append(caught.value.status)
    right = {"uid": live.uid, "resource_version": live.resource_version}
    await cluster.apply(applying(a_map(namespace, k="w"), **right))

    assert codes == [409, 409]


async def test_a_uid_of_what_is_gone_is_a_conflict(cluster, namespace) -> None:
    with pytest.raises(ClusterError) as caught:
        await cluster.apply(applying(a_map(namespace), uid="00000000-0000-0000-0000-000000000000"))

    assert caught.value.status == 409


async def test_an_unknown_field_is_refused_at_once(cluster, namespace) -> None:
    body = a_map(namespace) | {"date": {}}

    with pytest.raises(ClusterError, match="field not declared in schema"):
        await cluster.apply(applying(body))

    assert cluster.calls["apply"] == 1


async def test_a_refused_secret_is_not_quoted(cluster, namespace) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": namespace},
        "data": {"password": "hunter2!"},
    }

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(applying(body))

    assert "hunter2" not in f"{caught.value} {caught.value.causes}"


async def test_a_large_apply_arrives_whole(cluster, namespace) -> None:
    body = a_map(namespace, k="x" * 900_000)

    live = await cluster.apply(applying(body))

    assert len(live.body["data"]["k"]) == 900_000


async def test_names_with_colons_are_found(cluster) -> None:
    ref = ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "system:node")

    live = await cluster.get(GetRequest(ref=ref, api_version="rbac.authorization.k8s.io/v1"))

    assert live is not None


# ------------------------------------------------------------------ other writes


async def test_a_create_of_what_is_there_is_refused(cluster, namespace) -> None:
    await cluster.create(a_map(namespace))

    with pytest.raises(ClusterError) as caught:
        await cluster.create(a_map(namespace))

    assert (caught.value.status, caught.value.reason) == (409, "AlreadyExists")


async def test_a_create_may_leave_the_name_to_the_server(cluster, namespace) -> None:
    body = a_map(namespace) | {"metadata": {"generateName": "a-", "namespace": namespace}}

    live = await cluster.create(body)

    assert live.ref.name.startswith("a-")


async def test_a_replace_of_an_older_version_is_refused(cluster, namespace) -> None:
    old = await cluster.create(a_map(namespace))
    new = await cluster.replace({**old.body, "data": {"k": "w"}})

    with pytest.raises(ClusterError) as caught:
        await cluster.replace({**old.body, "data": {"k": "x"}})

    assert (caught.value.status, new.body["data"]) == (409, {"k": "w"})


async def test_a_patch_tests_before_it_writes(cluster, namespace) -> None:
    live = await cluster.create(a_map(namespace))

    def patch(version: str) -> PatchRequest:
        operations = (
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "replace", "path": "/data/k", "value": "w"},
        )
        return PatchRequest(ref=live.ref, api_version="v1", operations=operations)

    with pytest.raises(ClusterError) as caught:
        await cluster.patch(patch("1"))
    patched = await cluster.patch(patch(live.resource_version))

    assert (caught.value.status, patched.body["data"]) == (422, {"k": "w"})


# ------------------------------------------------------------------ delete


def deleting(live, **options) -> DeleteRequest:
    options = {"propagation": Propagation.BACKGROUND, **options}
    return DeleteRequest(ref=live.ref, api_version=live.api_version, **options)


async def test_a_delete_of_another_uid_is_refused(cluster, namespace) -> None:
    live = await cluster.create(a_map(namespace))

    with pytest.raises(ClusterError) as caught:
        await cluster.delete(deleting(live, uid="00000000-0000-0000-0000-000000000000"))

    assert caught.value.status == 409
    assert await cluster.get(the_map(namespace)) is not None


async def test_a_delete_takes_away_and_may_be_repeated(cluster, namespace) -> None:
    live = await cluster.create(a_map(namespace))

    left = [await cluster.delete(deleting(live, uid=live.uid)) for _ in range(2)]

    assert left == [None, None]
    assert await cluster.get(the_map(namespace)) is None


async def test_a_dry_run_of_a_delete_takes_nothing_away(cluster, namespace) -> None:
    live = await cluster.create(a_map(namespace))

    await cluster.delete(deleting(live, is_dry_run=True))

    assert await cluster.get(the_map(namespace)) is not None


async def test_finalizers_keep_what_is_deleted(cluster, namespace) -> None:
    body = a_map(namespace)
    body["metadata"] |= {"finalizers": ["example.com/wait"]}
    live = await cluster.create(body)

    left = await cluster.delete(deleting(live))

    assert left is not None
    assert left.is_being_deleted

    operations = ({"op": "remove", "path": "/metadata/finalizers"},)
    await cluster.patch(PatchRequest(ref=live.ref, api_version="v1", operations=operations))


# ------------------------------------------------------------------ list


async def test_more_than_a_page_is_read_whole(cluster, namespace) -> None:
    names = {f"m{number:04d}" for number in range(620)}
    await asyncio.gather(*(cluster.apply(applying(a_map(namespace, name))) for name in names))
    before = cluster.calls["list"]

    objects = await cluster.list(maps(namespace))

    assert {one.ref.name for one in objects} == names
    assert cluster.calls["list"] - before == 2


async def test_a_cached_list_is_one_request(cluster, namespace) -> None:
    await cluster.apply(applying(a_map(namespace)))

    await cluster.list(maps(namespace, is_cached=True))

    assert cluster.calls["list"] == 1


async def test_metadata_alone_has_no_data(cluster, namespace) -> None:
    whole = await cluster.apply(applying(a_map(namespace)))

    (one,) = await cluster.list(maps(namespace, metadata_only=True))

    assert (one.ref, one.uid) == (whole.ref, whole.uid)
    assert (one.body["kind"], "data" in one.body) == ("ConfigMap", False)


async def test_a_list_and_a_get_tell_the_same(cluster, namespace) -> None:
    await cluster.apply(applying(a_map(namespace)))

    (listed,) = await cluster.list(maps(namespace))

    got = await cluster.get(the_map(namespace))
    assert got is not None
    assert (listed.ref, listed.body) == (got.ref, got.body)


# ------------------------------------------------------------------ watch


async def take(events: AsyncIterator[WatchEvent], count: int) -> list[str]:
    texts = []
    for _ in range(count):
        one = await asyncio.wait_for(anext(events), 30)
        texts.append(f"{one.type.value} {one.object.ref.name}" if one.object else one.type.value)
    return texts


async def test_a_watch_tells_what_happens(cluster, namespace) -> None:
    await cluster.apply(applying(a_map(namespace)))
    async with aclosing(cluster.watch(maps(namespace))) as events:
        texts = await take(events, 2)
        live = await cluster.apply(applying(a_map(namespace, k="w")))
        await cluster.delete(deleting(live))
        texts += await take(events, 2)

    assert texts == ["ADDED a", "SYNCED", "MODIFIED a", "DELETED a"]


async def test_a_large_object_is_told_whole(cluster, namespace) -> None:
    async with aclosing(cluster.watch(maps(namespace))) as events:
        await take(events, 1)
        await cluster.apply(applying(a_map(namespace, k="x" * 900_000)))
        one = await asyncio.wait_for(anext(events), 30)

    assert one.type is EventType.ADDED
    assert len(one.object.body["data"]["k"]) == 900_000


# ------------------------------------------------------------------ CRDs


def a_crd(group: str, *versions: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"tabs.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Tab", "plural": "tabs", "singular": "tab"},
            "versions": [
                {"name": name, "served": True, "storage": name == versions[0], "schema": schema}
                for name in versions
            ],
        },
    }


def a_tab(group: str, namespace: str, name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{group}/v1", "kind": "Tab", "metadata": metadata, "spec": {"a": 1}}


async def test_a_watch_from_a_forgotten_place_lists_again(cluster, namespace) -> None:
    # The server began to remember this kind just now, so revision 1 is before all it knows.
    group = f"{namespace}.example.com"
    await cluster.discover()
    crd = await cluster.apply(applying(a_crd(group, "v1")))
    await cluster.establish(crd.body)
    await cluster.apply(applying(a_tab(group, namespace, "a")))
    tabs = ListRequest(api_version=f"{group}/v1", kind="Tab", namespace=namespace)
    watch = Watch(cluster._transport, cluster._kinds, tabs)
    async with aclosing(watch.events()) as events:
        texts = await take(events, 2)
        watch._resource_version = "1"
        await cluster.apply(applying(a_tab(group, namespace, "b")))
        texts += await take(events, 2)
    await cluster.delete(deleting(crd))

    assert texts[2:] == ["ADDED b", "SYNCED"]


async def test_objects_follow_their_crd_at_once(cluster, namespace) -> None:
    group = f"{namespace}.example.com"
    crd = a_crd(group, "v1", "v1beta1")
    await cluster.discover()
    live = await cluster.apply(applying(crd))

    await asyncio.gather(*(cluster.establish(live.body) for _ in range(3)))

    found = await cluster.discover()
    assert found.preferred(group, "Tab").api_version == f"{group}/v1"
    tab = a_tab(group, namespace, "one")
    assert (await cluster.apply(applying(tab))).generation == 1

    await cluster.delete(deleting(live))
    await _gone(cluster, live)
    left = await cluster.delete(DeleteRequest(ref=ref_of(tab), api_version=f"{group}/v1"))
    assert left is None


async def _gone(cluster, live) -> None:
    request = ListRequest(
        api_version=live.api_version,
        kind=live.ref.kind,
        field_selector=f"metadata.name={live.ref.name}",
    )
    async with aclosing(cluster.watch(request)) as events:
        for _ in range(50):
            event = await asyncio.wait_for(anext(events), 30)
            if event.type is EventType.DELETED:
                return
            if event.type is EventType.SYNCED and not await cluster.list(request):
                return


async def test_a_silent_backend_is_named_and_disturbs_nobody(cluster, namespace, kubectl) -> None:
    group = f"{namespace}.example.com"
    service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{group}"},
        "spec": {
            "group": group,
            "version": "v1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"name": "nobody", "namespace": namespace},
        },
    }
    live = await cluster.apply(applying(service))
    found = await cluster.discover()
    try:
        for _ in range(100):
            found = await cluster.discover(refresh=True)
            if group in found.missing:
                break
            await asyncio.sleep(0.1)

        assert f"v1.{group}" in found.missing[group]
        assert found.find("apps/v1", "Deployment") is not None
        with pytest.raises(ClusterError) as caught:
            await cluster.list(ListRequest(api_version=f"{group}/v1", kind="Tab"))
        assert caught.value.status == 503
    finally:
        await cluster.delete(deleting(live))


# ------------------------------------------------------------------ who we are


async def test_whom_we_act_as_counts(sandbox, namespace) -> None:
    user = f"system:serviceaccount:{namespace}:default"
    cluster = await connect(kubeconfig=sandbox.kubeconfig, impersonate=user)
    try:
        with pytest.raises(ClusterError) as caught:
            await cluster.apply(applying(a_map(namespace)))
    finally:
        await cluster.close()

    assert caught.value.status == 403
    assert caught.value.hint == (
        f"grant {user!r} the verb 'patch' on configmaps in namespace {namespace!r}"
    )


@pytest.fixture
def with_token(sandbox, kubectl, namespace, tmp_path: Path) -> Callable[[str | None], Path]:
    """Write kubeconfigs whose user is a service account with a token of its own."""
    kubectl("create", "rolebinding", "all", "--clusterrole=edit",
            f"--serviceaccount={namespace}:default", "-n", namespace)  # fmt: skip
    token = kubectl("create", "token", "default", "-n", namespace).strip()
    view: dict[str, Any] = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))

    def write(given: str | None = None) -> Path:
        (tmp_path / "token").write_text(token if given is None else given)
        view["users"] = [{"name": view["users"][0]["name"], "user": {"tokenFile": "token"}}]
        (tmp_path / "kubeconfig").write_text(json.dumps(view))
        return tmp_path / "kubeconfig"

    return write


async def test_a_service_account_uses_its_token(with_token, namespace) -> None:
    cluster = await connect(kubeconfig=with_token())

    live = await cluster.apply(applying(a_map(namespace)))

    assert live.ref.namespace == namespace

    await cluster.close()


async def test_a_token_that_is_none_is_told(with_token, namespace) -> None:
    cluster = await connect(kubeconfig=with_token("nonsense"))

    with pytest.raises(Unauthorized, match="does not know us"):
        await cluster.server_version()

    await cluster.close()


async def test_a_server_of_another_authority_is_not_trusted(sandbox, kubectl, tmp_path) -> None:
    view: dict[str, Any] = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    cluster_entry = view["clusters"][0]["cluster"]
    cluster_entry.pop("certificate-authority-data", None)
    cluster_entry.pop("certificate-authority", None)
    (tmp_path / "kubeconfig").write_text(json.dumps(view))
    cluster = await connect(kubeconfig=tmp_path / "kubeconfig")

    with pytest.raises(Unreachable, match="certificate is not accepted") as caught:
        await cluster.server_version()

    assert (caught.value.retryable, cluster.calls["other"]) == (False, 1)

    await cluster.close()


async def test_certificates_may_stand_in_files(sandbox, kubectl, tmp_path) -> None:
    view: dict[str, Any] = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    user, of = view["users"][0]["user"], view["clusters"][0]["cluster"]
    for section, key in (
        (user, "client-certificate"),
        (user, "client-key"),
        (of, "certificate-authority"),
    ):
        if f"{key}-data" in section:
            (tmp_path / key).write_bytes(base64.b64decode(section.pop(f"{key}-data")))
            section[key] = key
    (tmp_path / "kubeconfig").write_text(json.dumps(view))
    cluster = await connect(kubeconfig=tmp_path / "kubeconfig")

    assert await cluster.server_version()

    await cluster.close()
