"""Who needs no Prefect does not import it; and the flow is found under each of its names."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str, home, words: str = "") -> str:
    environment = {"PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, input=words, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "module", ["rollwright", "rollwright.engine.walk", "rollwright.flows", "rollwright.testing"]
)
def test_importing_it_does_not_import_prefect(module, tmp_path):
    code = f"import sys, {module}; print('prefect' in sys.modules)"

    assert run(code, tmp_path) == "False"


FIRST = [
    "from rollwright.flows import rollout",
    "import rollwright.flows.rollout",
    "from rollwright.flows.rollout import rollout",
    "import rollwright.flows; rollwright.flows.rollout",
    *(f"import rollwright.flows.{name}" for name in ("plan", "drift", "rollback", "fan_out")),
]
PROGRAM = """
import os, sys
import prefect.flows  # once for all: it is what takes time
from importlib import import_module

def look(first):
    exec(first, {})
    name = "rollout" if "flows.rollout" in first or "import rollout" in first else first.rpartition(".")[2]
    import rollwright.flows as flows
    module = import_module(f"rollwright.flows.{name}")
    names = {}
    exec(f"from rollwright.flows import {name} as found", names)
    is_same = names["found"] is getattr(flows, name) is getattr(module, name)
    print(first, "->", is_same, type(names["found"]).__name__, flush=True)

for first in sys.stdin.read().splitlines():
    if child := os.fork():
        os.waitpid(child, 0)
    else:
        look(first)
        os._exit(0)
"""


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """What each way to import a flow gives, each in a process that imported no flow before."""
    home = tmp_path_factory.mktemp("home")
    return run(PROGRAM, home, "\n".join(FIRST)).splitlines()


@pytest.mark.parametrize("first", FIRST)
def test_the_flow_is_the_flow_whatever_was_imported_before(first, looked):
    assert f"{first} -> True Flow" in looked


def test_a_plan_and_a_rollout_from_the_command_line_do_not_import_prefect(tmp_path):
    code = """
import sys
from rollwright.cli import main
codes = [main([name, "nowhere"]) for name in ("plan", "rollout", "fan-out", "drift", "render")]
print("prefect" in sys.modules)
"""

    assert run(code, tmp_path).splitlines()[-1] == "False"
