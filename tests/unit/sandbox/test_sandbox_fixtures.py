"""The pytest fixtures' parts that need no cluster."""

from __future__ import annotations

import re
import sysconfig

import pytest

from rollwright.errors import SandboxError
from rollwright.testing import sandbox as fixtures


@pytest.mark.parametrize(
    "test",
    ["test_a", "test_" + "x" * 300, "test_[Ü/ö: ä]", "TestCase.test_it[deploy-1.2]", "test__"],
)
def test_a_namespace_can_be_named_after_any_test(test):
    name = fixtures.namespace_name(test)

    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)


def test_a_namespace_tells_its_test():
    assert fixtures.namespace_name("test_pods_run").startswith("pods-run-")


def test_two_runs_of_a_test_have_two_namespaces():
    assert fixtures.namespace_name("test_a") != fixtures.namespace_name("test_a")


def test_the_kubectl_of_this_environment_comes_first(tmp_path, monkeypatch):
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        (folder / "kubectl").touch(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(own))
    monkeypatch.setenv("PATH", str(other))

    assert fixtures.find_kubectl() == own / "kubectl"


def test_the_kubectl_on_path_will_do(tmp_path, monkeypatch):
    (tmp_path / "kubectl").touch(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: "/nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert fixtures.find_kubectl() == tmp_path / "kubectl"


def test_without_kubectl_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sysconfig, "get_path", lambda _: "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(SandboxError) as error:
        fixtures.find_kubectl()

    assert "rollwright[kubectl]" in (error.value.hint or "")
