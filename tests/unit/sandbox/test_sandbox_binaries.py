"""Where the programs are taken from."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollwright.errors import SandboxError
from rollwright.sandbox.binaries import find, in_folder, version_of
from rollwright.sandbox.places import cache_folder
from rollwright.sandbox.versions import COMPONENTS, CONTROL_PLANE, KWOK, PINNED


@pytest.fixture
def environment(tmp_path):
    return {"PATH": str(tmp_path / "path"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def fill(folder: Path, *names: str, version: str = PINNED.kubernetes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        program = folder / name
        program.write_text(f"#!/bin/sh\necho Kubernetes v{version}\n")
        program.chmod(0o755)
    return folder


def folders(found) -> set[Path]:
    return {path.parent for path in found.paths.values()}


def test_nothing_anywhere_means_build(environment):
    assert find(environment=environment) is None


def test_given_assets_come_first(tmp_path, environment):
    assets = fill(tmp_path / "assets", *COMPONENTS)
    fill(tmp_path / "path", *COMPONENTS)

    found = find(assets, environment=environment)

    assert found is not None
    assert folders(found) == {assets}


def test_given_assets_decide_the_version(tmp_path, environment):
    assets = fill(tmp_path / "assets", *COMPONENTS, version="1.34.2")

    found = find(assets, environment=environment)

    assert found is not None
    assert found.version == "1.34.2"


def test_given_assets_must_be_complete(tmp_path, environment):
    assets = fill(tmp_path / "assets", "etcd", "kube-apiserver")

    with pytest.raises(SandboxError, match="no kube-controller-manager, kube-scheduler"):
        find(assets, environment=environment)


def test_given_assets_must_be_the_version_asked_for(tmp_path, environment):
    assets = fill(tmp_path / "assets", *COMPONENTS, version="1.34.2")

    with pytest.raises(SandboxError, match=r"is version 1\.34\.2; expected 1\.36\.0"):
        find(assets, "1.36.0", environment)


def test_kwok_may_come_from_elsewhere(tmp_path, environment):
    assets = fill(tmp_path / "assets", *CONTROL_PLANE)
    path = fill(tmp_path / "path", KWOK)

    found = find(assets, environment=environment)

    assert found is not None
    assert found[KWOK] == path / KWOK


def test_kwok_may_come_from_the_cache(tmp_path, environment):
    fill(tmp_path / "path", *CONTROL_PLANE)
    cache = fill(cache_folder(environment), KWOK)

    found = find(environment=environment)

    assert found is not None
    assert found[KWOK] == cache / KWOK


def test_a_control_plane_without_any_kwok_means_build(tmp_path, environment):
    assets = fill(tmp_path / "assets", *CONTROL_PLANE)

    assert find(assets, environment=environment) is None


def test_the_variable_comes_before_path(tmp_path, environment):
    assets = fill(tmp_path / "assets", *COMPONENTS)
    fill(tmp_path / "path", *COMPONENTS)

    found = find(environment=environment | {"KUBEBUILDER_ASSETS": str(assets)})

    assert found is not None
    assert folders(found) == {assets}


def test_a_variable_that_is_meant_for_other_tools_is_passed_over(tmp_path, environment):
    assets = fill(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    path = fill(tmp_path / "path", *COMPONENTS)

    found = find(environment=environment | {"KUBEBUILDER_ASSETS": str(assets)})

    assert found is not None
    assert folders(found) == {path}


def test_path_comes_before_the_cache(tmp_path, environment):
    path = fill(tmp_path / "path", *COMPONENTS)
    fill(cache_folder(environment), *COMPONENTS)

    found = find(environment=environment)

    assert found is not None
    assert folders(found) == {path}


def test_a_patch_release_of_the_same_minor_version_will_do(tmp_path, environment):
    fill(tmp_path / "path", *COMPONENTS, version=f"{PINNED.kubernetes_minor}.99")

    found = find(environment=environment)

    assert found is not None
    assert found.version == f"{PINNED.kubernetes_minor}.99"


def test_another_minor_version_on_path_is_passed_over(tmp_path, environment):
    fill(tmp_path / "path", *COMPONENTS, version="1.29.0")

    assert find(environment=environment) is None


def test_programs_of_mixed_versions_are_passed_over(tmp_path, environment):
    fill(tmp_path / "path", *COMPONENTS)
    fill(tmp_path / "path", "kube-scheduler", version=f"{PINNED.kubernetes_minor}.0")

    assert find(environment=environment) is None


def test_another_version_on_path_is_found_when_asked_for(tmp_path, environment):
    fill(tmp_path / "path", *COMPONENTS, version="1.29.4")

    found = find(None, "1.29.0", environment)

    assert found is not None
    assert found.version == "1.29.4"


def test_the_cache_does_not_stand_for_another_version(environment):
    fill(cache_folder(environment), *COMPONENTS)

    assert find(None, "1.29.0", environment) is None


def test_a_file_that_cannot_run_is_no_program(tmp_path):
    folder = fill(tmp_path, *COMPONENTS)
    (folder / KWOK).chmod(0o644)

    assert in_folder(folder, "1.36.3") is None


def test_a_program_that_does_not_answer_has_no_version(tmp_path):
    program = tmp_path / "kube-apiserver"
    program.write_text("not a program")
    program.chmod(0o755)

    assert version_of(program) is None
