"""The rules that keep the site a site: files that are run from the top, not a second library."""

from __future__ import annotations

import ast
import importlib
import runpy
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("flows", "tasks", "blocks", "rollouts", "deployments")
FILES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
PUBLIC = (
    "rollwright",
    "rollwright.blocks",
    "rollwright.errors",
    "rollwright.flows",
    "rollwright.plugins.contracts",
    "rollwright.rollouts",
    "rollwright.sandbox",
    "rollwright.testing",
)
"""What sites and plugins may import: these modules, and those below the ones that are packages."""

named = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def elsewhere() -> list[str]:
    """``sys.path`` without the site itself."""
    own = {ROOT, *(ROOT / folder for folder in FOLDERS)}
    return [place for place in sys.path if Path(place or ".").resolve() not in own]


def imports(path: Path):
    """Yield (module, name) of everything that a file takes from rollwright."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        yield from (one for one in found if one[0].split(".")[0] == "rollwright")


def is_public(module: str, name: str) -> bool:
    if any(part.startswith("_") for part in (*module.split("."), name)):
        return False
    if module == "rollwright":
        exported = importlib.import_module(module).__all__
        return not name or name in exported or is_public(f"rollwright.{name}", "")
    below = tuple(f"{one}." for one in PUBLIC if one != "rollwright")
    return module in PUBLIC or module.startswith(below)


def test_the_site_has_files():
    assert ROOT / "flows" / "rollout.py" in FILES


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_site_folder_is_no_package(folder):
    assert not list((ROOT / folder).rglob("__init__.py"))


@named
def test_a_file_is_not_called_like_a_module(path):
    is_builtin = path.stem in sys.stdlib_module_names
    found = PathFinder.find_spec(path.stem, elsewhere())

    assert not is_builtin
    assert found is None or found.origin is None


@named
def test_site_code_imports_public_names_only(path):
    hidden = [one for one in imports(path) if not is_public(*one)]

    assert hidden == []


@named
def test_what_site_code_imports_is_there(path):
    missing = []
    for module, name in imports(path):
        found = importlib.import_module(module)
        if name and not hasattr(found, name):
            missing.append((module, name))

    assert missing == []


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("rollwright", "plan", True),
        ("rollwright", "", True),
        ("rollwright", "sandbox", True),
        ("rollwright", "engine", False),
        ("rollwright.flows", "rollout", True),
        ("rollwright.testing.fake", "FakeCluster", True),
        ("rollwright.plugins.contracts", "Source", True),
        ("rollwright.plugins.registry", "Registry", False),
        ("rollwright.engine.walk", "walk", False),
        ("rollwright.errors", "_by_place", False),
        ("rollwright.errorsome", "Refused", False),
    ],
)
def test_what_is_public(module, name, expected):
    assert is_public(module, name) is expected


@pytest.mark.parametrize("name", ["rollout", "plan", "drift", "rollback", "fan_out"])
def test_the_flow_of_the_site_is_the_flow_of_the_library(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    by_file = runpy.run_path(str(ROOT / "flows" / f"{name}.py"))[name]
    by_module = getattr(importlib.import_module(f"rollwright.flows.{name}"), name)

    assert by_file is by_module
