"""Our renderers, transformers and validators keep the contract of their kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollwright.plugins.contracts import (
    Checkout,
    RenderRequest,
    TransformRequest,
    ValidateRequest,
)
from rollwright.renderers.helm import Helm
from rollwright.renderers.jsonnet import Jsonnet
from rollwright.renderers.kustomize import Kustomize
from rollwright.renderers.plain import Plain
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.testing.renderer_contract import (
    RendererContract,
    TransformerContract,
    ValidatorContract,
)
from rollwright.transformers.metadata import Annotations, Labels
from rollwright.transformers.patch import Patch
from rollwright.transformers.target import Target
from rollwright.validators.schema import Schema

MAPS = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a, uid: x}, data: {a: null, b: '1'}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}
"""


def a_request(root: Path, **files: str) -> RenderRequest:
    for name, text in files.items():
        (root / f"{name}.yaml").write_text(text)
    return RenderRequest(checkout=Checkout(root=root, revision="path@sha256:0"))


def a_set(**data: object) -> ManifestSet:
    bodies = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": value}}
        for name, value in data.items()
    ]
    manifests = [
        Manifest(
            body=one, ref=ref_of(one), key=f"{line}.yaml", origin=Origin(file="a.yaml", line=line)
        )
        for line, one in enumerate(bodies, 1)
    ]
    return ManifestSet(tuple(manifests), "path@sha256:0")


class TestPlain(RendererContract):
    @pytest.fixture
    def renderer(self):
        return Plain(paths=(".",), exclude=("*.txt",))

    @pytest.fixture
    def render_request(self, tmp_path: Path):
        return a_request(tmp_path, maps=MAPS)

    @pytest.fixture
    def broken_request(self, tmp_path: Path):
        return a_request(tmp_path, maps="a: [")


class TestKustomize(RendererContract):
    @pytest.fixture
    def renderer(self):
        return Kustomize()

    @pytest.fixture
    def render_request(self, tmp_path: Path):
        return a_request(tmp_path, maps=MAPS, kustomization="resources: [maps.yaml]")

    @pytest.fixture
    def broken_request(self, tmp_path: Path):
        return a_request(tmp_path, kustomization="resources: [nothing.yaml]")


class TestHelm(RendererContract):
    @pytest.fixture
    def renderer(self):
        return Helm(values={"a": "1"}, kube_version="1.34.0", include_crds=False)

    @pytest.fixture
    def render_request(self, tmp_path: Path):
        (tmp_path / "templates").mkdir()
        (tmp_path / "templates" / "maps.yaml").write_text(MAPS)
        return a_request(tmp_path, Chart="{apiVersion: v2, name: maps, version: 1.0.0}")

    @pytest.fixture
    def broken_request(self, tmp_path: Path):
        (tmp_path / "templates").mkdir()
        (tmp_path / "templates" / "maps.yaml").write_text("{{ fail .Values.a }}")
        return a_request(tmp_path, Chart="{apiVersion: v2, name: maps, version: 1.0.0}")


class TestJsonnet(RendererContract):
    @pytest.fixture
    def renderer(self):
        return Jsonnet(ext_str={"name": "c"}, jpaths=("lib",))

    @pytest.fixture
    def render_request(self, tmp_path: Path):
        (tmp_path / "lib").mkdir()
        (tmp_path / "main.jsonnet").write_text(
            "local named(name) = {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: name}};"
            "[named('a') + {status: {}}, {maps: {b: named('b'), c: named(std.extVar('name'))}}]"
        )
        return a_request(tmp_path)

    @pytest.fixture
    def broken_request(self, tmp_path: Path):
        (tmp_path / "lib").mkdir()
        (tmp_path / "main.jsonnet").write_text("{a: ")
        return a_request(tmp_path)


class _TransformerSuite(TransformerContract):
    @pytest.fixture
    def transform_request(self):
        return TransformRequest(manifests=a_set(web="1", api="2"))


class TestOperations(_TransformerSuite):
    @pytest.fixture
    def transformer(self):
        operation = {"op": "add", "path": "/data/b", "value": {"c": "1"}}
        return Patch(target=Target(kind="ConfigMap", name="w*"), patch=(operation,))


class TestMerge(_TransformerSuite):
    @pytest.fixture
    def transformer(self):
        return Patch(target=Target(), patch={"data": {"a": None, "b": "1"}}, optional=True)


class TestLabels(_TransformerSuite):
    @pytest.fixture
    def transformer(self):
        return Labels(labels={"example.com/team": "shop"})


class TestAnnotations(_TransformerSuite):
    @pytest.fixture
    def transformer(self):
        return Annotations(annotations={"example.com/team": "a b"}, target=Target(name="web"))


class TestSchema(ValidatorContract):
    @pytest.fixture
    def validator(self):
        return Schema()

    @pytest.fixture
    def good_request(self):
        return ValidateRequest(manifests=a_set(web="1"))

    @pytest.fixture
    def bad_request(self):
        return ValidateRequest(manifests=a_set(web=1, api=2))
