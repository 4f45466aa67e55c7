"""Rollout files from disk, and the values they hand to the renderer."""

from __future__ import annotations

import json

import pytest

from rollwright.engine.documents import load_rollout, merge
from rollwright.errors import InvalidDocument, InvalidSpec, NotFound

ROLLOUT = """\
apiVersion: rollwright.dev/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  source: {path: ./shop}
"""


def a_file(folder, text=ROLLOUT, name="rollout.yaml"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def problems_of(path):
    with pytest.raises(InvalidSpec) as caught:
        load_rollout(path)
    return [str(problem).replace(f"{path.parent}/", "") for problem in caught.value.problems]


def test_a_rollout_knows_where_it_stands(tmp_path):
    path = a_file(tmp_path)
    loaded = load_rollout(path)

    assert (loaded.spec.name, loaded.path, loaded.base) == ("shop", path, tmp_path)


def test_a_path_may_be_text(tmp_path):
    assert load_rollout(str(a_file(tmp_path))).spec.name == "shop"


@pytest.mark.parametrize("name", ["rollout.yaml", "rollout.yml"])
def test_a_folder_means_its_rollout(tmp_path, name):
    assert load_rollout(a_file(tmp_path, name=name).parent).path == tmp_path / name


def test_json_is_read_too(tmp_path):
    document = {
        "apiVersion": "rollwright.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "shop"},
        "spec": {"source": {"path": "."}},
    }

    assert load_rollout(a_file(tmp_path, json.dumps(document), "a.json")).spec.name == "shop"


def test_problems_have_the_file_and_the_line(tmp_path):
    path = a_file(tmp_path, ROLLOUT + "  suspend: 1\n")

    assert problems_of(path) == ["rollout.yaml:6 spec.suspend: expected true or false; got 1"]


def test_a_second_document_keeps_the_lines_right(tmp_path):
    path = a_file(tmp_path, f"kind: Secret\nmetadata: {{name: a}}\n---\n{ROLLOUT}  suspend: 1\n")

    assert problems_of(path) == [
        "rollout.yaml:1: Secret 'a' beside the Rollout; a file holds exactly one",
        "rollout.yaml:9 spec.suspend: expected true or false; got 1",
    ]


def test_every_further_document_is_named(tmp_path):
    path = a_file(tmp_path, f"{ROLLOUT}---\n{ROLLOUT.replace('shop', 'b')}---\n- 1\n")

    assert problems_of(path) == [
        "rollout.yaml:7: Rollout 'b' beside the Rollout; a file holds exactly one",
        "rollout.yaml:13: a document without a kind beside the Rollout; a file holds exactly one",
    ]


def test_a_file_of_another_kind_is_no_rollout(tmp_path):
    path = a_file(tmp_path, "apiVersion: apps/v1\nkind: Deployment\n")

    assert problems_of(path) == ["rollout.yaml:2 kind: not a Rollout: kind 'Deployment'"]


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n"])
def test_an_empty_file_is_no_rollout(tmp_path, text):
    assert problems_of(a_file(tmp_path, text)) == [
        "rollout.yaml: no document; expected one Rollout"
    ]


def test_text_that_is_no_yaml_is_told(tmp_path):
    with pytest.raises(InvalidDocument, match=r"rollout\.yaml:2:1"):
        load_rollout(a_file(tmp_path, "a: [\n"))


def test_a_missing_file_is_told_with_its_neighbors(tmp_path):
    a_file(tmp_path, name="web.yaml")

    with pytest.raises(NotFound) as caught:
        load_rollout(tmp_path / "wbe.yaml")

    assert caught.value.hint == "the folder has web.yaml"


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(NotFound) as caught:
        load_rollout(tmp_path / "none/web.yaml")

    assert "there is no folder" in str(caught.value.hint)


def test_a_folder_without_a_rollout_is_told(tmp_path):
    with pytest.raises(NotFound, match=r"no rollout\.yaml in folder"):
        load_rollout(tmp_path)


def test_merging_changes_neither_side():
    below, over = {"a": {"b": [1]}}, {"a": {"c": [2]}}
    merged = merge(below, over)
    merged["a"]["b"].append(9)
    merged["a"]["c"].append(9)

    assert (below, over) == ({"a": {"b": [1]}}, {"a": {"c": [2]}})
