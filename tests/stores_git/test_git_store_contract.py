from __future__ import annotations

import pytest

from rollwright.testing.contracts import StoreContract


class TestGitStore(StoreContract):
    """Over HTTP with a login; the fixture ``store`` is that of the folder."""

    @pytest.fixture
    def store(self, make):
        return make()
