"""What a server says that it serves, as it was recorded."""

from __future__ import annotations

import msgspec
import orjson
import pytest

from rollwright.kube.discovery import merge, parse_root, parse_version
from rollwright.kube.kinds import served_versions, version_priority
from rollwright.plugins.contracts import ServedKind

AGGREGATED = {
    "kind": "APIGroupDiscoveryList",
    "apiVersion": "apidiscovery.k8s.io/v2",
    "metadata": {},
    "items": [
        {
            "metadata": {"name": "autoscaling", "creationTimestamp": None},
            "versions": [
                {
                    "version": "v2",
                    "freshness": "Current",
                    "resources": [
                        {
                            "resource": "horizontalpodautoscalers",
                            "responseKind": {
                                "group": "autoscaling",
                                "version": "v2",
                                "kind": "HorizontalPodAutoscaler",
                            },
                            "scope": "Namespaced",
                            "singularResource": "horizontalpodautoscaler",
                            "verbs": ["create", "get", "patch"],
                            "shortNames": ["hpa"],
                            "subresources": [{"subresource": "status", "verbs": ["get"]}],
                        }
                    ],
                },
                {
                    "version": "v1",
                    "freshness": "Current",
                    "resources": [
                        {
                            "resource": "horizontalpodautoscalers",
                            "responseKind": {
                                "group": "autoscaling",
                                "version": "v1",
                                "kind": "HorizontalPodAutoscaler",
                            },
                            "scope": "Namespaced",
                            "verbs": ["get"],
                        },
                        {
                            "resource": "scalers",
                            "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scaler"},
                            "scope": "Cluster",
                            "verbs": ["get"],
                        },
                        {
                            "resource": "only",
                            "responseKind": {"group": "", "version": "", "kind": ""},
                            "scope": "Namespaced",
                        },
                    ],
                },
            ],
        },
        {
            "metadata": {"name": "metrics.k8s.io"},
            "versions": [{"version": "v1beta1", "freshness": "Stale"}],
        },
        {"metadata": {"name": "empty.example.com"}},
    ],
}  # fmt: skip


def test_the_aggregated_form_is_read() -> None:
    found = merge(parse_root(orjson.dumps(AGGREGATED)).kinds, {})

    assert found.find("autoscaling/v2", "HorizontalPodAutoscaler") == ServedKind(
        group="autoscaling",
        version="v2",
        kind="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        is_namespaced=True,
        verbs=frozenset({"create", "get", "patch"}),
        is_preferred=True,
    )


def test_the_first_version_that_has_a_kind_is_preferred() -> None:
    found = merge(parse_root(orjson.dumps(AGGREGATED)).kinds, {})

    preferred = [key for key, one in found.kinds.items() if one.is_preferred]

    assert preferred == [
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("autoscaling/v1", "Scaler"),
    ]


def test_what_is_stale_is_named_and_not_served() -> None:
    part = parse_root(orjson.dumps(AGGREGATED))

    assert part.stale == (("metrics.k8s.io", "v1beta1"),)


def test_the_core_group_has_no_name() -> None:
    resource = {
        "resource": "pods",
        "responseKind": {"group": "", "version": "v1", "kind": "Pod"},
        "scope": "Namespaced",
        "verbs": [],
    }
    version = {"version": "v1", "resources": [resource], "freshness": "Current"}
    body = {"kind": "APIGroupDiscoveryList", "items": [{"metadata": {}, "versions": [version]}]}

    (pod,) = parse_root(orjson.dumps(body)).kinds

    assert (pod.group, pod.api_version) == ("", "v1")


@pytest.mark.parametrize(
    ("body", "unread"),
    [
        ({"kind": "APIVersions", "versions": ["v1"]}, (("", "v1"),)),
        (
            {"kind": "APIGroupList", "groups": [{"name": "apps", "versions": [{"version": "v1"}]}]},
            (("apps", "v1"),),
        ),
        ({"kind": "APIGroupList", "groups": None}, ()),
    ],
)
def test_the_plain_forms_leave_versions_to_be_asked(body: object, unread: object) -> None:
    assert parse_root(orjson.dumps(body)).unread == unread


def test_the_kinds_of_one_version_leave_subresources_out() -> None:
    resources = [
        {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get"]},
        {"name": "pods/log", "kind": "Pod", "namespaced": True, "verbs": ["get"]},
    ]

    kinds = parse_version("", "v1", orjson.dumps({"resources": resources}))

    assert [one.plural for one in kinds] == ["pods"]


@pytest.mark.parametrize("body", [b"404 page not found", b"[]", b""])
def test_what_is_no_discovery_is_an_error(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        parse_root(body)


def test_versions_are_sorted_as_the_server_does() -> None:
    versions = ["foo10", "v1alpha1", "v10beta3", "v3beta1", "v11alpha2", "v1", "foo1", "v10", "v2"]

    ordered = sorted(versions, key=version_priority)

    assert ordered == [
        "v10",
        "v2",
        "v1",
        "v10beta3",
        "v3beta1",
        "v11alpha2",
        "v1alpha1",
        "foo1",
        "foo10",
    ]


def test_versions_of_a_crd_that_are_not_served_are_left_out() -> None:
    versions = [
        {"name": "v1beta1", "served": True},
        {"name": "v1", "served": True},
        {"name": "v0", "served": False},
    ]

    assert served_versions({"versions": versions}) == ("v1", "v1beta1")
