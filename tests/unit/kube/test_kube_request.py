"""Requests are values: what is sent stands here, word for word."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from rollwright.errors import ClusterError
from rollwright.kube.request import (
    Call,
    Request,
    discovery_request,
    get_request,
    list_request,
    log_request,
    object_path,
    watch_request,
)
from rollwright.kube.write_request import (
    apply_request,
    create_request,
    delete_request,
    patch_request,
    replace_request,
)
from rollwright.plugins.contracts import (
    ApplyRequest,
    DeleteRequest,
    ListRequest,
    LogRequest,
    PatchRequest,
    Propagation,
)
from rollwright.rollouts.manifest import ObjectRef
from rollwright.testing.fake_kinds import served_kind

DEPLOYMENT = served_kind("apps/v1", "Deployment", "deployments")
SECRET = served_kind("v1", "Secret", "secrets")
CLUSTER_ROLE = served_kind(
    "rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", is_namespaced=False
)
WEB = ObjectRef("apps", "Deployment", "shop", "web")
BODY = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
}
WEB_PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
DEPLOYMENTS = ListRequest(api_version="apps/v1", kind="Deployment")


def test_an_apply_is_a_strict_forced_patch() -> None:
    request = apply_request(DEPLOYMENT, ApplyRequest(ref=WEB, body=BODY))

    assert request == Request(
        call=Call.APPLY,
        method="PATCH",
        path=WEB_PATH,
        query="fieldManager=rollwright&force=true&fieldValidation=Strict",
        content_type="application/apply-patch+yaml",
        body=orjson.dumps(BODY),
        subject="Deployment/shop/web",
        is_idempotent=True,
    )


def test_a_dry_run_without_force_says_so() -> None:
    wanted = ApplyRequest(ref=WEB, body=BODY, force=False, is_dry_run=True, manager="a b")

    request = apply_request(DEPLOYMENT, wanted)

    assert request.call is Call.DRY_RUN
    assert request.query == "fieldManager=a+b&force=false&fieldValidation=Strict&dryRun=All"


def test_preconditions_of_an_apply_stand_in_its_body() -> None:
    wanted = ApplyRequest(ref=WEB, body=BODY, uid="u1", resource_version="7")

    request = apply_request(DEPLOYMENT, wanted)

    assert orjson.loads(request.body or b"")["metadata"] == {
        "name": "web",
        "namespace": "shop",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert "uid" not in BODY["metadata"]


def test_an_apply_without_metadata_can_have_preconditions() -> None:
    body = {"apiVersion": "apps/v1", "kind": "Deployment"}

    request = apply_request(DEPLOYMENT, ApplyRequest(ref=WEB, body=body, uid="u1"))

    assert orjson.loads(request.body or b"")["metadata"] == {"uid": "u1"}


def test_secrets_are_marked() -> None:
    ref = ObjectRef("", "Secret", "shop", "key")

    assert get_request(SECRET, ref).is_secret


def test_a_get_has_the_path_of_the_object() -> None:
    request = get_request(DEPLOYMENT, WEB)

    assert request == Request(
        call=Call.GET, method="GET", path=WEB_PATH, subject="Deployment/shop/web"
    )


def test_names_are_quoted() -> None:
    ref = ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "system:aggregate to view")

    path = object_path(CLUSTER_ROLE, ref)

    assert path.endswith("/clusterroles/system%3Aaggregate%20to%20view")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "web%2Fstatus"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ClusterError) as caught:
        object_path(DEPLOYMENT, ObjectRef("apps", "Deployment", "shop", name))

    assert caught.value.status == 422


@pytest.mark.parametrize("namespace", ["", "..", "a/b"])
def test_namespaces_that_lead_elsewhere_are_refused(namespace: str) -> None:
    with pytest.raises(ClusterError):
        object_path(DEPLOYMENT, ObjectRef("apps", "Deployment", namespace, "web"))


def test_a_list_is_read_in_pages() -> None:
    request = list_request(DEPLOYMENT, DEPLOYMENTS)

    assert request == Request(
        call=Call.LIST,
        method="GET",
        path="/apis/apps/v1/deployments",
        query="limit=500",
        subject="Deployment.apps",
    )


def test_a_list_selects() -> None:
    wanted = ListRequest(
        api_version="apps/v1",
        kind="Deployment",
        namespace="shop",
        label_selector="app in (a, b)",
        field_selector="metadata.name=web",
    )

    request = list_request(DEPLOYMENT, wanted, token="t=1")

    assert request.target == (
        "/apis/apps/v1/namespaces/shop/deployments?labelSelector=app+in+%28a%2C+b%29"
        "&fieldSelector=metadata.name%3Dweb&limit=500&continue=t%3D1"
    )


def test_a_list_from_the_watch_cache_has_no_pages() -> None:
    wanted = ListRequest(api_version="apps/v1", kind="Deployment", is_cached=True)

    assert list_request(DEPLOYMENT, wanted).query == "resourceVersion=0"


def test_a_list_of_metadata_asks_for_it() -> None:
    wanted = ListRequest(api_version="apps/v1", kind="Deployment", metadata_only=True)

    accept = list_request(DEPLOYMENT, wanted).accept

    assert accept.startswith("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")


def test_a_namespace_means_nothing_to_a_kind_without() -> None:
    wanted = ListRequest(
        api_version="rbac.authorization.k8s.io/v1", kind="ClusterRole", namespace="shop"
    )

    path = list_request(CLUSTER_ROLE, wanted).path

    assert path == "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def test_a_watch_ends_on_the_server_first() -> None:
    request = watch_request(DEPLOYMENT, DEPLOYMENTS, resource_version="7", seconds=300)

    assert request == Request(
        call=Call.WATCH,
        method="GET",
        path="/apis/apps/v1/deployments",
        query="watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300",
        subject="Deployment.apps",
        timeout=timedelta(seconds=315),
    )


def test_a_create_is_a_post_that_may_be_sent_again_for_it_has_a_name() -> None:
    request = create_request(DEPLOYMENT, BODY)

    assert request == Request(
        call=Call.CREATE,
        method="POST",
        path="/apis/apps/v1/namespaces/shop/deployments",
        query="fieldManager=rollwright&fieldValidation=Strict",
        content_type="application/json",
        body=orjson.dumps(BODY),
        subject="Deployment/shop/web",
    )


def test_a_create_may_leave_the_name_to_the_server() -> None:
    body = {**BODY, "metadata": {"generateName": "web-", "namespace": "shop"}}

    request = create_request(DEPLOYMENT, body)

    assert (request.subject, request.is_idempotent) == ("Deployment/shop/web-", False)


@pytest.mark.parametrize(("version", "is_idempotent"), [("", False), ("7", True)])
def test_a_replace_may_be_sent_again_if_it_names_the_version(version, is_idempotent):
    known = {"resourceVersion": version} if version else {}
    metadata = {"name": "web", "namespace": "shop", **known}
    request = replace_request(DEPLOYMENT, {**BODY, "metadata": metadata})

    assert (request.method, request.path) == ("PUT", WEB_PATH)
    assert request.is_idempotent is is_idempotent


def test_a_patch_is_a_list_of_operations() -> None:
    operations = ({"op": "test", "path": "/metadata/resourceVersion", "value": "7"},)

    request = patch_request(
        DEPLOYMENT, PatchRequest(ref=WEB, api_version="apps/v1", operations=operations)
    )

    assert request == Request(
        call=Call.PATCH,
        method="PATCH",
        path=WEB_PATH,
        query="fieldManager=rollwright&fieldValidation=Strict",
        content_type="application/json-patch+json",
        body=orjson.dumps(operations),
        subject="Deployment/shop/web",
        is_idempotent=False,
    )


def test_a_delete_has_preconditions_and_propagation() -> None:
    wanted = DeleteRequest(
        ref=WEB,
        api_version="apps/v1",
        uid="u1",
        resource_version="7",
        propagation=Propagation.ORPHAN,
        is_dry_run=True,
    )

    request = delete_request(DEPLOYMENT, wanted)

    assert (request.method, request.path, request.is_idempotent) == ("DELETE", WEB_PATH, True)
    assert orjson.loads(request.body or b"") == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Orphan",
        "preconditions": {"uid": "u1", "resourceVersion": "7"},
        "dryRun": ["All"],
    }


def test_a_delete_without_a_uid_could_meet_a_successor() -> None:
    request = delete_request(DEPLOYMENT, DeleteRequest(ref=WEB, api_version="apps/v1"))

    assert not request.is_idempotent
    assert "preconditions" not in orjson.loads(request.body or b"")


def test_discovery_prefers_the_aggregated_form() -> None:
    request = discovery_request("/apis", etag='"5"')

    assert (request.call, request.target, request.etag) == (Call.DISCOVERY, "/apis", '"5"')
    assert request.accept.startswith("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroup")
    assert request.accept.endswith(",application/json")


def test_a_log_is_asked_for_by_its_last_lines() -> None:
    pod = ObjectRef("", "Pod", "shop", "web-1")

    request = log_request(
        served_kind("v1", "Pod", "pods"), LogRequest(pod=pod, container="main", is_previous=True)
    )

    assert (request.method, request.subject) == ("GET", "log of Pod/shop/web-1")
    assert request.target == (
        "/api/v1/namespaces/shop/pods/web-1/log"
        "?container=main&tailLines=5&limitBytes=65536&previous=true"
    )
