from __future__ import annotations

from importlib import import_module

import pytest

from rollwright.stores import BUILTIN
from rollwright.stores.file import FileStore
from rollwright.stores.memory import MemoryStore
from rollwright.testing.contracts import StoreContract


class TestFileStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return FileStore(path=tmp_path / "states")


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()


@pytest.mark.parametrize("target", BUILTIN.values())
def test_every_option_of_a_store_is_described(target):
    module, _, name = target.partition(":")
    model = getattr(import_module(module), name)
    properties = model.model_json_schema().get("properties", {})

    assert all(one.get("description") for one in properties.values())
