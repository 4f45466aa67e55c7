"""Our transformers and validators keep the contract of their kinds, made as a document makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from rollwright.plugins.contracts import Checkout, TransformRequest, ValidateRequest
from rollwright.plugins.registry import Registry
from rollwright.rollouts.body import sendable
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.testing.renderer_contract import TransformerContract, ValidatorContract

POD = {
    "containers": [
        {"name": "web", "image": "nginx:1", "envFrom": [{"configMapRef": {"name": "a"}}]}
    ]
}


def a_manifest(api_version: str, kind: str, name: str, **more: Any) -> Manifest:
    body = sendable({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **more})
    return Manifest(body=body, ref=ref_of(body), key=name, origin=Origin(file="a.yaml", line=1))


def a_set() -> ManifestSet:
    selector = {"matchLabels": {"a": "b"}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
    spec = {"selector": selector, "template": template}
    return ManifestSet(
        (
            a_manifest("v1", "ConfigMap", "a", data={"k": "v"}),
            a_manifest("apps/v1", "Deployment", "web", spec=spec),
        ),
        "main@sha1:1",
    )


class _Transformer(TransformerContract):
    name: ClassVar[str]
    options: ClassVar[Any]

    @pytest.fixture
    def transformer(self):
        return Registry().build("transformers", self.name, self.options)

    @pytest.fixture
    def transform_request(self):
        return TransformRequest(manifests=a_set(), namespace="shop")


class TestNamespace(_Transformer):
    name, options = "namespace", {"namespace": "live"}


class TestNames(_Transformer):
    name, options = "names", {"prefix": "x-"}


class TestImages(_Transformer):
    name, options = "images", {"images": ({"name": "nginx", "newTag": "2"},)}


class TestReplicas(_Transformer):
    name, options = "replicas", {"count": 3}


class TestSet(_Transformer):
    name, options = "set", {"path": "metadata.annotations[a/b]", "value": "c"}


class TestDropFields(_Transformer):
    name, options = "drop", {"target": {"kind": "ConfigMap"}, "fields": ("data.k",)}


class TestDropObjects(_Transformer):
    name, options = "drop", {"target": {"kind": "ConfigMap"}}


class TestStrategic(_Transformer):
    name = "patch"
    options: ClassVar[Any] = {
        "type": "strategic",
        "target": {"kind": "Deployment"},
        "patch": {"spec": {"template": {"spec": {"containers": [{"name": "web", "args": ["a"]}]}}}},
    }


class TestSelectors(_Transformer):
    name, options = "labels", {"labels": {"x": "y"}, "includeSelectors": True}


class _Validator(ValidatorContract):
    @pytest.fixture
    def good_request(self):
        return ValidateRequest(manifests=a_set(), rollout="shop")


class TestPolicies(_Validator):
    @pytest.fixture
    def validator(self):
        rules = ({"name": "p", "expr": "object.metadata.name != 'bad'"},)
        return Registry().build("validators", "policies", {"rules": rules})

    @pytest.fixture
    def bad_request(self):
        bad = (a_manifest("v1", "ConfigMap", "bad"), a_manifest("v1", "Service", "bad"))
        return ValidateRequest(manifests=ManifestSet(bad))


class TestDeprecated(_Validator):
    @pytest.fixture
    def validator(self):
        return Registry().build("validators", "deprecated", {"version": "1.24"})

    @pytest.fixture
    def bad_request(self):
        kinds = (("batch/v1beta1", "CronJob"), ("extensions/v1beta1", "Ingress"))
        return ValidateRequest(
            manifests=ManifestSet(tuple(a_manifest(*kind, "a") for kind in kinds))
        )


class TestAmbiguous(_Validator):
    @pytest.fixture
    def validator(self):
        return Registry().build("validators", "ambiguous", {"severity": "error"})

    @pytest.fixture
    def bad_request(self, tmp_path: Path):
        (tmp_path / "a.yaml").write_text("a: on\nb: 2001-01-01\n")
        checkout = Checkout(root=tmp_path, revision="main@sha1:1")
        return ValidateRequest(manifests=a_set(), checkout=checkout)
