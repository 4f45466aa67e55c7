from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from rollwright.rollouts.body import flatten, identity_problems, sendable

TEMPLATE_KINDS = [
    ("v1", "Pod", ("spec",)),
    ("v1", "PodTemplate", ("template", "spec")),
    ("v1", "ReplicationController", ("spec", "template", "spec")),
    ("apps/v1", "Deployment", ("spec", "template", "spec")),
    ("apps/v1", "DaemonSet", ("spec", "template", "spec")),
    ("apps/v1", "ReplicaSet", ("spec", "template", "spec")),
    ("apps/v1", "StatefulSet", ("spec", "template", "spec")),
    ("extensions/v1beta1", "Deployment", ("spec", "template", "spec")),
    ("batch/v1", "Job", ("spec", "template", "spec")),
    ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template", "spec")),
    ("batch/v1beta1", "CronJob", ("spec", "jobTemplate", "spec", "template", "spec")),
]


def an_object(**more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, **more}


def nested(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def at(body: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        body = body[key]
    return body


def told(body: Any) -> list[str]:
    return [str(one) for one in identity_problems(body, "a.yaml:1")]


def test_a_clean_body_stays_as_it_is() -> None:
    body = an_object(data={"a": "1"})

    assert sendable(body) == body


def test_parts_that_need_no_change_are_shared() -> None:
    body = an_object(data={"a": "1"}, more={"b": None})

    assert sendable(body)["data"] is body["data"]


def test_the_given_body_is_not_changed() -> None:
    body = an_object(status={}, a=[{"b": None, "c": [{"d": None}]}])
    before = deepcopy(body)
    sendable(body)

    assert body == before


def test_status_is_dropped_at_the_top_only() -> None:
    body = sendable(an_object(status={"a": 1}, spec={"status": "on"}))

    assert "status" not in body
    assert body["spec"] == {"status": "on"}


@pytest.mark.parametrize(
    "field",
    ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"],
)
def test_what_the_server_owns_is_dropped(field: str) -> None:
    metadata = {"name": "x", "labels": {"uid": "mine"}, field: "1"}

    assert sendable(an_object(metadata=metadata))["metadata"] == {
        "name": "x",
        "labels": {"uid": "mine"},
    }


@pytest.mark.parametrize("field", ["uid", "generation", "resourceVersion"])
def test_the_same_names_elsewhere_are_kept(field: str) -> None:
    assert sendable(an_object(spec={field: 1}))["spec"] == {field: 1}


def test_the_annotation_of_client_side_apply_is_dropped() -> None:
    last = "kubectl.kubernetes.io/last-applied-configuration"
    both = {"name": "x", "annotations": {last: "{}", "a": "b"}}
    only = {"name": "x", "annotations": {last: "{}"}}

    assert sendable(an_object(metadata=both))["metadata"]["annotations"] == {"a": "b"}
    assert sendable(an_object(metadata=only))["metadata"] == {"name": "x"}


def test_null_values_are_dropped_at_any_depth() -> None:
    body = sendable(an_object(spec={"a": None, "b": {"c": None, "d": [{"e": None, "f": 1}]}}))

    assert body["spec"] == {"b": {"d": [{"f": 1}]}}


def test_null_items_of_lists_are_kept() -> None:
    assert sendable(an_object(spec={"a": [None, 1]}))["spec"] == {"a": [None, 1]}


def test_empty_values_are_kept() -> None:
    spec = {"a": {}, "b": [], "c": "", "d": 0, "e": False}

    assert sendable(an_object(spec=spec))["spec"] == spec


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_creation_times_of_templates_are_dropped(empty: Any) -> None:
    metadata = {"labels": {"a": "b"}, "creationTimestamp": empty}
    body = sendable(an_object(spec={"template": {"metadata": metadata}}))

    assert body["spec"]["template"]["metadata"] == {"labels": {"a": "b"}}


def test_data_of_that_name_is_kept() -> None:
    assert sendable(an_object(data={"creationTimestamp": ""}))["data"] == {"creationTimestamp": ""}


def test_the_protocol_of_service_ports_is_filled_in() -> None:
    ports = [{"port": 53}, {"port": 53, "protocol": "UDP"}, {"port": 80, "protocol": None}]
    body = sendable(an_object(kind="Service", spec={"ports": ports}))

    assert [one["protocol"] for one in body["spec"]["ports"]] == ["TCP", "UDP", "TCP"]


@pytest.mark.parametrize("containers", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize(("api_version", "kind", "path"), TEMPLATE_KINDS)
def test_the_protocol_of_container_ports_is_filled_in(
    api_version: str, kind: str, path: tuple[str, ...], containers: str
) -> None:
    pod = {containers: [{"name": "a"}, {"name": "b", "ports": [{"containerPort": 80}]}]}
    body = sendable(an_object(apiVersion=api_version, kind=kind, **nested(path, pod)))

    assert at(body, path)[containers] == [
        {"name": "a"},
        {"name": "b", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
    ]


@pytest.mark.parametrize(
    ("api_version", "kind"), [("serving.knative.dev/v1", "Service"), ("example.com/v1", "Pod")]
)
def test_kinds_of_others_are_left_alone(api_version: str, kind: str) -> None:
    spec = {"ports": [{"port": 1}], "containers": [{"ports": [{"containerPort": 1}]}]}
    body = an_object(apiVersion=api_version, kind=kind, spec=spec)

    assert sendable(body) == body


@pytest.mark.parametrize(
    "spec", [None, "text", [], {"ports": "x"}, {"ports": [1]}, {"containers": 1}]
)
def test_bodies_of_a_wrong_shape_pass(spec: Any) -> None:
    for kind in ("Service", "Pod"):
        sendable(an_object(kind=kind, spec=spec))


@pytest.mark.parametrize("metadata", ["text", [], {"annotations": "x"}, {"annotations": []}])
def test_metadata_of_a_wrong_shape_passes(metadata: Any) -> None:
    assert sendable(an_object(metadata=metadata))["metadata"] == metadata


def test_an_object_has_no_problem() -> None:
    assert told(an_object()) == []


@pytest.mark.parametrize("name", ["web", "system:node", "a.b", "..a", "kubeadm:x y"])
def test_names_that_can_stand_in_a_path_are_good(name: str) -> None:
    assert told(an_object(metadata={"name": name})) == []


@pytest.mark.parametrize("name", [".", "..", "a/b", "a%2fb"])
def test_names_that_cannot_stand_in_a_path_are_told(name: str) -> None:
    assert told(an_object(metadata={"name": name}))[0].startswith(
        "a.yaml:1 metadata.name: not a name"
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, ": not a Kubernetes object: null"),
        ([], ": not a Kubernetes object: a list"),
        ("x", ": not a Kubernetes object: text"),
        (True, ": not a Kubernetes object: a boolean"),
        ({}, ": not a Kubernetes object: no apiVersion and no kind (keys: empty)"),
        ({"kind": "A", "metadata": {"name": "x"}}, " apiVersion: missing"),
        ({"apiVersion": "v1", "metadata": {"name": "x"}}, " kind: missing"),
        (an_object(kind=""), " kind: missing"),
        (an_object(apiVersion=1), " apiVersion: expected text; got a number, quote it"),
        (an_object(kind=["A"]), " kind: expected text; got a list"),
        (
            an_object(apiVersion="a/b/c"),
            " apiVersion: expected 'group/version' or 'v1'; got 'a/b/c'",
        ),
        (an_object(apiVersion="/v1"), " apiVersion: expected 'group/version' or 'v1'; got '/v1'"),
        (an_object(kind="../x"), " kind: not a kind: '../x'"),
        (an_object(metadata=None), " metadata.name: missing"),
        (an_object(metadata=[1]), " metadata: expected a mapping; got a list"),
        (an_object(metadata={}), " metadata.name: missing"),
        (an_object(metadata={"name": 7}), " metadata.name: expected text; got a number, quote it"),
        (
            an_object(metadata={"generateName": "x-"}),
            " metadata.name: missing; objects with generateName cannot be applied, give it a name",
        ),
        (
            an_object(metadata={"name": "x", "namespace": 5}),
            " metadata.namespace: expected text; got a number, quote it",
        ),
        (
            an_object(metadata={"name": "x", "namespace": "a/b"}),
            " metadata.namespace: not a name of a namespace: 'a/b'",
        ),
        (
            an_object(metadata={"name": "x", "labels": ["a"]}),
            " metadata.labels: expected a mapping; got a list",
        ),
        (
            an_object(metadata={"name": "x", "annotations": "a"}),
            " metadata.annotations: expected a mapping; got text",
        ),
    ],
)
def test_what_is_no_object_is_told(body: Any, expected: str) -> None:
    assert told(body) == [f"a.yaml:1{expected}"]


def test_all_problems_are_told_at_once() -> None:
    assert len(told({"apiVersion": 1, "kind": 2, "metadata": {"namespace": 3}})) == 4


def test_an_object_is_its_own_only_item() -> None:
    assert list(flatten(an_object())) == [((), an_object())]


def test_lists_give_their_items_with_their_places() -> None:
    inner = {"kind": "List", "items": [an_object(a=1), an_object(a=2)]}
    value = {"apiVersion": "v1", "kind": "List", "items": [inner, 5]}

    assert list(flatten(value)) == [
        (("items", 0, "items", 0), an_object(a=1)),
        (("items", 0, "items", 1), an_object(a=2)),
        (("items", 1), 5),
    ]


def test_items_of_a_typed_list_get_its_kind_and_version() -> None:
    value = {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"metadata": {}}]}

    assert [one for _, one in flatten(value)] == [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}}
    ]


def test_a_kind_that_only_sounds_like_a_list_is_an_object() -> None:
    body = an_object(kind="AllowList", spec={})

    assert list(flatten(body)) == [((), body)]
