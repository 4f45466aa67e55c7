"""Our sources keep the contract of their kind."""

from __future__ import annotations

from pathlib import Path as Folder

import pytest

from rollwright.plugins.contracts import FetchRequest
from rollwright.sources.path import Path
from rollwright.testing.renderer_contract import SourceContract


class TestPath(SourceContract):
    @pytest.fixture
    def source(self):
        return Path(path="shop")

    @pytest.fixture
    def missing(self):
        return Path(path="nothing")

    @pytest.fixture
    def fetch_request(self, tmp_path: Folder):
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "web.yaml").write_text("a: 1\n")
        return FetchRequest(base=tmp_path)
