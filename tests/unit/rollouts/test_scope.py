from __future__ import annotations

import pytest

from rollwright.errors import InvalidManifests
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef, Origin, ref_of
from rollwright.rollouts.scope import is_namespaced, place, scopes_of_crds


def manifest(kind: str, name: str = "a", api_version: str = "v1", **metadata) -> Manifest:
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}
    return Manifest(body=body, ref=ref_of(body), key=name, origin=Origin(file=f"{name}.yaml"))


def placed(*manifests: Manifest, namespace: str = "shop", pin: bool = False) -> list[ObjectRef]:
    found = place(ManifestSet(manifests), namespace=namespace, pin=pin, scopes=is_namespaced)
    return [each.ref for each in found]


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("", "ConfigMap"),
        ("apps", "Deployment"),
        ("batch", "CronJob"),
        ("coordination.k8s.io", "Lease"),
        ("events.k8s.io", "Event"),
        ("extensions", "Ingress"),
        ("extensions", "Deployment"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("resource.k8s.io", "ResourceClaimTemplate"),
        ("scheduling.k8s.io", "Workload"),
        ("storage.k8s.io", "CSIStorageCapacity"),
    ],
)
def test_kinds_that_live_in_a_namespace(group, kind):
    assert is_namespaced(group, kind) is True


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("", "Namespace"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("authentication.k8s.io", "TokenReview"),
        ("certificates.k8s.io", "ClusterTrustBundle"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("networking.k8s.io", "IngressClass"),
        ("node.k8s.io", "RuntimeClass"),
        ("resource.k8s.io", "DeviceClass"),
        ("storage.k8s.io", "VolumeAttributesClass"),
        ("storagemigration.k8s.io", "StorageVersionMigration"),
    ],
)
def test_kinds_that_are_cluster_wide(group, kind):
    assert is_namespaced(group, kind) is False


@pytest.mark.parametrize(
    ("group", "kind"),
    [("serving.knative.dev", "Service"), ("", "Deployment"), ("shop.example.com", "Basket")],
)
def test_nobody_knows_kinds_that_are_not_built_in(group, kind):
    assert is_namespaced(group, kind) is None


def crd(kind: str, **spec) -> Manifest:
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind},
        "spec": {"group": "shop.example.com", "names": {"kind": kind}, **spec},
    }
    return Manifest(body=body, ref=ref_of(body), key=kind, origin=Origin(file="crds.yaml"))


def test_crds_say_which_kinds_are_namespaced():
    found = scopes_of_crds(
        [crd("Basket", scope="Namespaced"), crd("Till", scope="Cluster"), manifest("ConfigMap")]
    )

    assert found == {("shop.example.com", "Basket"): True, ("shop.example.com", "Till"): False}


def test_a_crd_without_scope_means_namespaced():
    assert scopes_of_crds([crd("Basket")]) == {("shop.example.com", "Basket"): True}


@pytest.mark.parametrize("spec", [None, "text", {}, {"names": []}])
def test_a_crd_that_defines_nothing_has_no_scopes(spec):
    definition = crd("Basket")

    assert scopes_of_crds([definition.with_body({**definition.body, "spec": spec})]) == {}


def test_namespaced_objects_without_namespace_get_the_one_of_the_rollout():
    assert placed(manifest("ConfigMap")) == [ObjectRef("", "ConfigMap", "shop", "a")]


def test_the_body_says_what_the_identity_says():
    [only] = place(
        ManifestSet((manifest("ConfigMap", labels={"x": "1"}),)),
        namespace="shop",
        scopes=is_namespaced,
    )

    assert only.body["metadata"] == {"name": "a", "labels": {"x": "1"}, "namespace": "shop"}


def test_an_own_namespace_is_kept():
    assert placed(manifest("ConfigMap", namespace="other"))[0].namespace == "other"


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_namespace_counts_as_none(empty):
    assert placed(manifest("ConfigMap", namespace=empty))[0].namespace == "shop"


def test_cluster_wide_objects_lose_their_namespace():
    before = ManifestSet((manifest("ClusterRole", namespace="x", api_version=RBAC),))

    [after] = place(before, namespace="shop", scopes=is_namespaced)

    assert after.body["metadata"] == {"name": "a"}
    assert after.ref == ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "a")


RBAC = "rbac.authorization.k8s.io/v1"


@pytest.mark.parametrize(
    ("own", "default", "final"),
    [("own", "shop", "own"), ("own", "", "own"), ("", "shop", "shop"), ("", "", "")],
)
def test_objects_of_unknown_scope_keep_their_namespace_or_get_the_default(own, default, final):
    thing = manifest("Basket", api_version="shop.example.com/v1", namespace=own)

    assert placed(thing, namespace=default)[0].namespace == final


def test_what_is_right_stays_the_very_same():
    before = ManifestSet((manifest("ConfigMap", namespace="shop"), manifest("Namespace")))

    after = place(before, namespace="shop", scopes=is_namespaced)

    assert all(new is old for new, old in zip(after, before, strict=True))


def test_the_order_of_the_source_is_kept():
    names = [ref.name for ref in placed(*(manifest("Secret", name) for name in "cab"))]

    assert names == ["c", "a", "b"]


def test_all_objects_without_a_namespace_are_named_at_once():
    with pytest.raises(InvalidManifests) as caught:
        placed(manifest("Secret", "a"), manifest("Namespace"), manifest("Pod", "b"), namespace="")

    assert [str(problem) for problem in caught.value.problems] == [
        "a.yaml metadata.namespace: Secret/a is namespaced and names no namespace",
        "b.yaml metadata.namespace: Pod/b is namespaced and names no namespace",
    ]
    assert "target.namespace" in (caught.value.hint or "")


def test_a_pinned_rollout_refuses_other_namespaces():
    with pytest.raises(InvalidManifests, match="'other'; this rollout is pinned to 'shop'"):
        placed(manifest("Secret", namespace="other"), pin=True)


def test_a_pinned_rollout_accepts_its_own_namespace_and_cluster_wide_objects():
    refs = placed(manifest("Secret"), manifest("Namespace", "other"), pin=True)

    assert [ref.namespace for ref in refs] == ["shop", ""]


def test_objects_that_become_one_are_refused():
    with pytest.raises(InvalidManifests, match="declared twice"):
        placed(manifest("Secret"), manifest("Secret", namespace="shop"))


def test_subjects_of_bindings_are_left_alone():
    binding = manifest("RoleBinding", api_version=RBAC)
    subjects = [{"kind": "ServiceAccount", "name": "x"}]
    before = binding.with_body({**binding.body, "subjects": subjects})

    [after] = place(ManifestSet((before,)), namespace="shop", scopes=is_namespaced)

    assert after.body["subjects"] == subjects
