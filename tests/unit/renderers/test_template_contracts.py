"""Templates and trees keep the contract of renderers."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.jinja.renderer import Jinja
from rollwright.renderers.tree.renderer import ScriptedTree, Tree
from rollwright.testing.renderer_contract import RendererContract

MAPS = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a, uid: x}, data: {a: null, b: '1'}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}
"""


class _TemplateSuite(RendererContract):
    @pytest.fixture
    def render_request(self, tmp_path: Path):
        (tmp_path / "maps.yaml").write_text(MAPS)
        return RenderRequest(checkout=Checkout(root=tmp_path, revision="path@sha256:0"))

    @pytest.fixture
    def broken_request(self, tmp_path: Path):
        (tmp_path / "maps.yaml").write_text("a: [")
        return RenderRequest(checkout=Checkout(root=tmp_path, revision="path@sha256:0"))


class TestJinja(_TemplateSuite):
    @pytest.fixture
    def renderer(self):
        return Jinja(files=("*.yaml",), trim_blocks=True)


class TestTree(_TemplateSuite):
    @pytest.fixture
    def renderer(self):
        return Tree(path=".")


class TestScriptedTree(_TemplateSuite):
    @pytest.fixture
    def renderer(self):
        return ScriptedTree()
