"""What every store must do, done by PostgreSQL."""

from __future__ import annotations

import pytest

from rollwright.testing.contracts import StoreContract


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def store(self, bind):
        return bind()
