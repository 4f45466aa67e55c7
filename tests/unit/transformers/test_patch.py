from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rollwright.errors import InvalidManifests, RenderError
from rollwright.plugins.contracts import TransformRequest
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.transformers.patch import Patch, merged


def a_manifest(name: str = "web", kind: str = "Deployment", **more: Any) -> Manifest:
    api_version = "v1" if kind in {"ConfigMap", "Secret"} else "apps/v1"
    metadata = {"name": name, **more.pop("metadata", {})}
    body = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}
    return Manifest(
        body=body, ref=ref_of(body), key=f"{name}.yaml", origin=Origin(file="a.yaml", line=1)
    )


def patched(*manifests: Manifest, **options: Any) -> list[dict[str, Any]]:
    request = TransformRequest(manifests=ManifestSet(manifests, "r1"))
    return [dict(one.body) for one in Patch.model_validate(options).transform(request)]


def replicas(body: dict[str, Any]) -> Any:
    return body.get("spec", {}).get("replicas")


def why_refused(manifest: Manifest, patch: Any) -> str:
    with pytest.raises(RenderError) as caught:
        patched(manifest, target={}, patch=patch)
    return caught.value.message


def test_operations_are_applied_in_order() -> None:
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "remove", "path": "/spec/replicas"},
        {"op": "add", "path": "/spec/paused", "value": True},
        {"op": "copy", "from": "/spec/paused", "path": "/spec/again"},
        {"op": "move", "from": "/spec/again", "path": "/spec/more"},
        {"op": "replace", "path": "/spec/more", "value": [1, 3]},
        {"op": "add", "path": "/spec/more/1", "value": 2},
        {"op": "add", "path": "/spec/more/-", "value": 4},
    ]

    assert patched(a_manifest(spec={"replicas": 1}), target={}, patch=operations)[0]["spec"] == {
        "paused": True,
        "more": [1, 2, 3, 4],
    }


def test_keys_with_slashes_are_escaped() -> None:
    manifest = a_manifest(metadata={"annotations": {"a/b": "1", "c~d": "2"}})
    operations = [
        {"op": "remove", "path": "/metadata/annotations/a~1b"},
        {"op": "remove", "path": "/metadata/annotations/c~0d"},
    ]

    assert "annotations" not in patched(manifest, target={}, patch=operations)[0]["metadata"]


def test_a_mapping_is_merged() -> None:
    manifest = a_manifest(spec={"replicas": 1, "list": [1, 2], "template": {"a": 1, "b": 2}})
    patch = {"spec": {"replicas": None, "list": [3], "template": {"b": None, "c": {"d": 4}}}}

    assert patched(manifest, target={}, patch=patch)[0]["spec"] == {
        "list": [3],
        "template": {"a": 1, "c": {"d": 4}},
    }


@pytest.mark.parametrize(
    ("value", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging_follows_rfc_7386(value: Any, patch: Any, expected: Any) -> None:
    assert merged(value, patch) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, ["web", "db", "map"]),
        ({"kind": "Deployment"}, ["web", "db"]),
        ({"group": "apps"}, ["web", "db"]),
        ({"group": ""}, ["map"]),
        ({"name": "web"}, ["web"]),
        ({"name": "*b"}, ["web", "db"]),
        ({"namespace": "sh*"}, ["db"]),
        ({"namespace": ""}, ["web", "map"]),
        ({"labels": {"tier": "back"}}, ["db"]),
        ({"kind": "Deployment", "name": "d*"}, ["db"]),
    ],
)
def test_a_target_means_what_all_its_fields_say(target: Any, expected: list[str]) -> None:
    manifests = (
        a_manifest("web"),
        a_manifest("db", metadata={"namespace": "shop", "labels": {"tier": "back"}}),
        a_manifest("map", kind="ConfigMap"),
    )
    found = patched(*manifests, target=target, patch={"spec": {"replicas": 7}})

    assert [one["metadata"]["name"] for one in found if replicas(one) == 7] == expected


def test_objects_that_are_not_meant_are_shared() -> None:
    other = a_manifest("other")
    request = TransformRequest(manifests=ManifestSet((a_manifest(), other)))
    patch = Patch.model_validate({"target": {"name": "web"}, "patch": {"spec": {}}})

    assert patch.transform(request).manifests[1] is other


def test_a_target_that_means_nothing_is_an_error() -> None:
    with pytest.raises(RenderError, match="no object matches kind 'Job', name 'x'"):
        patched(a_manifest(), target={"kind": "Job", "name": "x"}, patch={})


def test_an_optional_patch_may_mean_nothing() -> None:
    assert patched(a_manifest(), target={"kind": "Job"}, patch={}, optional=True) == [
        a_manifest().body
    ]


def test_what_is_never_sent_is_not_patched_in() -> None:
    patch = {"status": {"a": 1}, "metadata": {"uid": "x"}, "spec": {"a": {"b": None}}}

    assert patched(a_manifest(), target={}, patch=patch) == [
        {**a_manifest().body, "spec": {"a": {}}}
    ]


def test_a_patched_identity_is_followed() -> None:
    request = TransformRequest(manifests=ManifestSet((a_manifest(),)))
    patch = Patch.model_validate({"target": {}, "patch": {"metadata": {"name": "api"}}})

    assert [str(one.ref) for one in patch.transform(request)] == ["Deployment/api"]


def test_two_objects_of_one_identity_afterwards_are_refused() -> None:
    with pytest.raises(InvalidManifests, match="declared twice"):
        patched(a_manifest("a"), a_manifest("b"), target={}, patch={"metadata": {"name": "c"}})


@pytest.mark.parametrize(
    "patch", [{"kind": None}, {"metadata": None}, [{"op": "replace", "path": "", "value": 1}]]
)
def test_what_is_no_object_afterwards_is_refused(patch: Any) -> None:
    assert "Deployment/web is no object afterwards" in why_refused(a_manifest(), patch)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/spec/nothing"},
        {"op": "replace", "path": "/spec/nothing", "value": 1},
        {"op": "add", "path": "/nothing/a", "value": 1},
        {"op": "add", "path": "/spec/list/9", "value": 1},
        {"op": "add", "path": "/spec/list/x", "value": 1},
        {"op": "remove", "path": "/spec/list/-"},
        {"op": "move", "from": "/nothing", "path": "/spec/a"},
        {"op": "add", "path": "/kind/a", "value": 1},
        {"op": "test", "path": "/spec/nothing", "value": 1},
    ],
    ids=str,
)
def test_an_operation_that_does_not_fit_is_told(operation: dict[str, Any]) -> None:
    message = why_refused(a_manifest(spec={"list": [1]}), [operation])

    assert message.startswith(f"patch: Deployment/web: operation 1 ({operation['op']} ")


def test_a_failed_test_does_not_quote_values() -> None:
    secret = a_manifest(kind="Secret", stringData={"password": "hunter2"})
    operation = {"op": "test", "path": "/stringData/password", "value": "hunter3"}
    message = why_refused(secret, [operation])

    assert "the value is another" in message
    assert "hunter" not in message


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ([{"op": "ad", "path": "/a", "value": 1}], "operation 1: op is none of add, remove"),
        ([{"path": "/a"}], "operation 1: op is none of"),
        ([{"op": ["add"], "path": "/a"}], "operation 1: op is none of"),
        ([{"op": "add", "path": "/a"}], "operation 1: add needs value"),
        ([{"op": "move"}], "operation 1: move needs from and path"),
        ([{"op": "remove", "path": "a"}], "operation 1: a path is text that begins with '/'"),
        ([{"op": "remove", "path": 1}], "operation 1: a path is text that begins with '/'"),
        ([{"op": "remove", "path": "/a"}, {"op": "x"}], "operation 2: op is none of"),
        ("text", "patch"),
        ([1], "patch"),
    ],
)
def test_a_patch_of_a_wrong_form_is_refused_before_anything_is_rendered(
    patch: Any, why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        Patch.model_validate({"target": {}, "patch": patch})


def test_an_unknown_field_of_the_target_is_an_error() -> None:
    with pytest.raises(ValidationError, match=r"target\.names"):
        Patch.model_validate({"target": {"names": "x"}, "patch": {}})
