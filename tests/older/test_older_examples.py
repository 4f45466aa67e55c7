"""Folders in the older format, rendered as the command line does: ``expected/<case>.json``.

``GOLDEN_UPDATE=1 pytest tests/older`` writes the outputs anew.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from rollwright.cli import main
from rollwright.engine.documents import load_rollout
from rollwright.engine.inputs.older_documents import with_rendered_groups
from rollwright.engine.operations import render
from rollwright.engine.site import open_site
from rollwright.plugins.contracts import Check
from rollwright.plugins.registry import Registry

HOME = Path(__file__).parent
CASES = {
    "files": "files/rollout.yaml",
    "jsonnet": "jsonnet",
    "jsonnet-with-config": "jsonnet-with-config/declared.yaml",
    "jsonnet-with-crd-as-config": "jsonnet-with-crd-as-config/declared.yaml",
}


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders at a place of their own: nothing may depend on where they lie."""
    shutil.copytree(HOME / "inputs", tmp_path / "inputs")
    monkeypatch.chdir(tmp_path / "inputs")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "inputs"


def output(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["render", *words, "-o", "json"]) == 0
    return capsys.readouterr().out


async def spec_of(path: Path):
    loaded = load_rollout(path)
    async with open_site(loaded) as site:
        return with_rendered_groups(loaded.spec, await render(site, loaded))


@pytest.mark.parametrize("case", CASES)
def test_the_output_is_as_recorded(case, inputs, capsys):
    found, record = output(capsys, CASES[case]), HOME / "expected" / f"{case}.json"
    if os.environ.get("GOLDEN_UPDATE"):
        record.write_text(found)

    assert found == record.read_text()


@pytest.mark.parametrize("case", CASES)
def test_the_output_is_one_line_of_objects_and_rollout(case, inputs, capsys):
    found = output(capsys, CASES[case])

    assert found.count("\n") == 1
    assert list(json.loads(found)) == ["objects", "rollout"]


def test_a_file_beside_the_manifests_names_them_by_their_paths(inputs):
    spec = load_rollout(inputs / "files").spec

    assert (spec.name, spec.source.options) == ("grafana-rollout-0", {"path": "manifests"})
    assert [step.object for step in spec.declared_groups[0].steps] == ["grafana/deployment.json"]
    assert spec.rest == "ignore"


async def test_a_rendered_rollout_gives_the_groups(inputs):
    spec = await spec_of(inputs / CASES["jsonnet-with-crd-as-config"])

    comparisons = spec.declared_groups[0].steps[0].success[0].options["expectedValues"]
    assert [one["value"] for one in comparisons] == [
        {"path": "{.status.observedGeneration}"},
        {"path": "{.status.updatedReplicas}"},
        {"static": 0},
    ]
    assert spec.rest == "ignore"


def test_a_configuration_replaces_defaults(inputs, capsys):
    objects = json.loads(output(capsys, CASES["jsonnet-with-config"]))["objects"]

    metadata = objects["deployment"]["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("overridden-name", "overridden-namespace")


def test_further_documents_of_a_file_are_numbered(inputs, capsys):
    maps = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "a"}}
        for name in "xy"
    ]
    text = "\n---\n".join(json.dumps(one) for one in maps)
    (inputs / "files" / "manifests" / "maps.yaml").write_text(text)

    objects = json.loads(output(capsys, "files"))["objects"]
    assert list(objects) == ["grafana/deployment.json", "maps.yaml", "maps.yaml#2"]


def test_a_folder_without_manifests_is_read_itself(inputs, capsys):
    folder = inputs / "files"
    (folder / "manifests" / "grafana").rename(folder / "grafana")
    (folder / "manifests").rmdir()

    assert list(json.loads(output(capsys, "files"))["objects"]) == ["grafana/deployment.json"]


async def test_the_checks_of_the_examples_are_checks_of_ours(inputs):
    registry = Registry()
    for case in CASES.values():
        spec = await spec_of(inputs / case)
        for use in (
            one for group in spec.declared_groups for step in group.steps for one in step.success
        ):
            check = registry.build("checks", use.name, use.options)

            assert isinstance(check, Check)
