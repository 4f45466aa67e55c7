from __future__ import annotations

import pytest

from rollwright.errors import InvalidManifests
from rollwright.rollouts.manifest import (
    Manifest,
    ManifestSet,
    ObjectRef,
    Origin,
    canonical_group_kind,
    digest_of,
    group_of,
    join,
    ref_of,
    refuse_twins,
)


def a_manifest(name="a", kind="ConfigMap", api_version="v1", namespace="shop", line=1, **content):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    body = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
    return Manifest(body=body, ref=ref_of(body), key=name, origin=Origin(file="a.yaml", line=line))


@pytest.mark.parametrize(
    ("ref", "text", "qualified"),
    [
        (ObjectRef("", "ConfigMap", "shop", "a"), "ConfigMap/shop/a", "ConfigMap/shop/a"),
        (
            ObjectRef("apps", "Deployment", "shop", "a"),
            "Deployment/shop/a",
            "Deployment.apps/shop/a",
        ),
        (ObjectRef("", "Namespace", "", "shop"), "Namespace/shop", "Namespace/shop"),
    ],
)
def test_a_ref_prints_without_its_group_and_is_unique_with_it(ref, text, qualified):
    assert (str(ref), ref.qualified) == (text, qualified)


@pytest.mark.parametrize(
    ("group", "kind", "today"),
    [
        ("extensions", "Deployment", "apps"),
        ("extensions", "Ingress", "networking.k8s.io"),
        ("extensions", "NetworkPolicy", "networking.k8s.io"),
        ("apps", "Deployment", "apps"),
        ("", "Service", ""),
        ("serving.knative.dev", "Service", "serving.knative.dev"),
    ],
)
def test_a_renamed_group_means_the_one_of_today(group, kind, today):
    assert canonical_group_kind(group, kind) == (today, kind)


@pytest.mark.parametrize(
    ("api_version", "group"), [("v1", ""), ("apps/v1", "apps"), ("a.b.io/v1beta1", "a.b.io")]
)
def test_the_group_stands_before_the_slash(api_version, group):
    assert group_of(api_version) == group


@pytest.mark.parametrize("metadata", [{"name": "a"}, {"name": "a", "namespace": None}])
def test_an_object_without_namespace_has_an_empty_one(metadata):
    body = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}

    assert ref_of(body) == ObjectRef("", "Node", "", "a")


def test_an_object_without_metadata_has_no_name():
    assert ref_of({"apiVersion": "v1", "kind": "Node"}) == ObjectRef("", "Node", "", "")


def test_the_order_of_keys_does_not_matter_to_a_digest():
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.5}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": {}}, {}),
        ({"a": None}, {}),
        ({"a": "0.1"}, {"a": "100m"}),
        ({"a": "ä"}, {"a": "a\u0308"}),
    ],
)
def test_what_differs_has_another_digest(one, other):
    assert digest_of(one) != digest_of(other)


def test_a_digest_names_its_algorithm():
    # echo -n '{"a":1}' | sha256sum
    digest = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"

    assert digest_of({"a": 1}) == f"sha256:{digest}"


def test_a_digest_of_numbers_as_keys_is_that_of_their_text():
    assert digest_of({1: "a"}) == digest_of({"1": "a"})


@pytest.mark.parametrize(("line", "text"), [(3, "a.yaml:3"), (0, "a.yaml")])
def test_an_origin_without_line_is_a_file(line, text):
    assert str(Origin(file="a.yaml", line=line)) == text


def test_absent_and_null_labels_and_annotations_are_empty():
    nothing = a_manifest()
    null = nothing.with_body(
        {**nothing.body, "metadata": {"name": "a", "labels": None, "annotations": None}}
    )

    assert [nothing.labels, nothing.annotations, null.labels, null.annotations] == [{}] * 4


def test_another_body_brings_another_identity():
    manifest = a_manifest("a")
    other = manifest.with_body(a_manifest("b").body)

    assert (other.ref.name, other.key, other.origin) == ("b", "a", manifest.origin)


def test_another_body_has_another_digest_though_the_first_was_asked_for():
    manifest = a_manifest("a")
    before = manifest.digest

    assert manifest.with_body(a_manifest("b").body).digest != before


def test_the_digest_of_a_set_does_not_depend_on_its_order():
    a, b = a_manifest("a"), a_manifest("b")

    assert ManifestSet((a, b)).digest == ManifestSet((b, a)).digest


def test_the_digest_of_a_set_depends_on_each_object():
    a, b = a_manifest("a"), a_manifest("b")

    assert len({ManifestSet(some).digest for some in [(), (a,), (b,), (a, b)]}) == 4


def test_a_set_has_its_objects_in_order_and_by_identity():
    a, b = a_manifest("b"), a_manifest("a")
    some = ManifestSet((a, b))

    assert (list(some), len(some), some.by_ref()[b.ref]) == ([a, b], 2, b)


def test_joining_keeps_the_order_of_the_sets():
    a, b, c = (a_manifest(name) for name in "cab")

    assert list(join([ManifestSet((a,)), ManifestSet((b, c))])) == [a, b, c]


def test_twins_are_refused_with_both_places():
    with pytest.raises(InvalidManifests) as caught:
        join([ManifestSet((a_manifest(line=3),)), ManifestSet((a_manifest(line=9),))])

    (problem,) = caught.value.problems
    assert str(problem) == "a.yaml:9: ConfigMap/shop/a is declared twice; first at a.yaml:3"


def test_every_twin_is_told():
    with pytest.raises(InvalidManifests) as caught:
        refuse_twins([a_manifest("a"), a_manifest("b"), a_manifest("a"), a_manifest("b")])

    assert len(caught.value.problems) == 2


def test_objects_of_a_renamed_group_are_twins():
    old = a_manifest(kind="Ingress", api_version="extensions/v1beta1")

    with pytest.raises(InvalidManifests, match="declared twice"):
        refuse_twins([old, a_manifest(kind="Ingress", api_version="networking.k8s.io/v1")])


def test_objects_of_two_versions_are_twins():
    old = a_manifest(kind="CronJob", api_version="batch/v1beta1")

    with pytest.raises(InvalidManifests, match="declared twice"):
        refuse_twins([old, a_manifest(kind="CronJob", api_version="batch/v1")])


@pytest.mark.parametrize(
    "other",
    [
        a_manifest("b"),
        a_manifest(namespace="other"),
        a_manifest(kind="Secret"),
        a_manifest(api_version="example.com/v1"),
    ],
)
def test_objects_that_differ_in_one_part_of_their_identity_are_no_twins(other):
    assert len(join([ManifestSet((a_manifest(), other))])) == 2
