from __future__ import annotations

import runpy
from pathlib import Path

import pytest

KEPT = runpy.run_path(str(Path(__file__).parents[1] / "locks" / "kept_cluster.py"))


@pytest.fixture
def cluster():
    return KEPT["KeptCluster"](namespaces={"rollwright-system"})


@pytest.fixture
def clock():
    return KEPT["MovedClock"]()
