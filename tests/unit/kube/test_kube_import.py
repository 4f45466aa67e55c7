"""Importing costs little; the heavy libraries come when they are needed."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import rollwright.kube
assert not {"aiohttp", "kubernetes", "msgspec"} & set(sys.modules), "rollwright.kube is heavy"
import rollwright.kube.cluster, rollwright.kube.auth
assert "kubernetes" not in sys.modules, "the official client is imported"
assert "prefect" not in sys.modules
"""


def test_the_official_client_is_not_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
