"""Everything that this site declares renders to the same bytes each time (RE-05)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROLLOUTS = sorted((ROOT / "rollouts").rglob("rollout.yaml"))


def rendered(file: Path, seed: str, home: Path) -> bytes:
    """Render in a process of its own, whose hashes fall otherwise each time."""
    environ = {**os.environ, "PYTHONHASHSEED": seed, "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    command = [sys.executable, "-m", "rollwright", "render", str(file), "-o", "json"]
    return subprocess.run(command, capture_output=True, check=True, env=environ).stdout


@pytest.mark.parametrize("file", ROLLOUTS, ids=lambda file: file.parent.name)
def test_two_processes_render_the_same_bytes(tmp_path, file) -> None:
    first = rendered(file, "1", tmp_path)

    assert first.count(b"\n") == 1
    assert rendered(file, "2", tmp_path) == first
