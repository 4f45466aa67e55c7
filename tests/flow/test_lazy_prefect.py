"""Who needs no Prefect does not import it; and the flow is found under each of its names."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str, home) -> str:
    environment = {"PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "module", ["rollwright", "rollwright.engine.walk", "rollwright.flows", "rollwright.testing"]
)
def test_importing_it_does_not_import_prefect(module, tmp_path):
    code = f"import sys, {module}; print('prefect' in sys.modules)"

    assert run(code, tmp_path) == "False"


@pytest.mark.parametrize(
    "first",
    [
        "from rollwright.flows import rollout",
        "import rollwright.flows.rollout",
        "from rollwright.flows.rollout import rollout",
        "import rollwright.flows; rollwright.flows.rollout",
    ],
)
def test_the_flow_is_the_flow_whatever_was_imported_before(first, tmp_path):
    code = f"""
{first}
from importlib import import_module
from rollwright.flows import rollout
from rollwright.flows.rollout import rollout as by_module
print(rollout is by_module is import_module("rollwright.flows.rollout").rollout, rollout.name)
"""

    assert run(code, tmp_path) == "True rollout"
