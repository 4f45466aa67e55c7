"""Documents of the older format on disk: named by a rollout of ours, or run as they are."""

from __future__ import annotations

import pytest

from rollwright.documents import load
from rollwright.engine.documents import load_rollout
from rollwright.errors import InvalidSpec

OLDER = """\
apiVersion: workflow.kubernetes.io/v1alpha1
kind: Rollout
metadata: {name: shop, labels: {team: a}, namespace: apps}
spec:
  groups:
  - name: web
    steps:
    - {object: web.yaml, action: CreateOrUpdate}
"""
OURS = """\
apiVersion: rollwright.dev/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  source: {path: .}
  groups: {file: steps/order.yaml}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "steps").mkdir()
    (tmp_path / "rollout.yaml").write_text(OURS)
    (tmp_path / "steps" / "order.yaml").write_text(OLDER)
    return tmp_path


def problems_of(folder):
    with pytest.raises(InvalidSpec) as caught:
        load_rollout(folder)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_the_file_is_found_beside_the_document(folder):
    loaded = load_rollout(folder)

    assert [group.name for group in loaded.spec.declared_groups] == ["web"]
    assert loaded.older == load(OLDER)


def test_what_a_file_does_not_name_is_left_alone(folder):
    assert load_rollout(folder).spec.rest == "ignore"


def test_the_document_may_say_when_the_rest_comes(folder):
    (folder / "rollout.yaml").write_text(f"{OURS}  rest: last\n")

    assert load_rollout(folder).spec.rest == "last"


def test_a_missing_file_is_told_where_it_is_named(folder):
    (folder / "steps" / "order.yaml").unlink()

    assert problems_of(folder) == [
        "rollout.yaml:6 spec.groups.file: cannot read 'steps/order.yaml': No such file or directory"
    ]


def test_mistakes_of_the_file_have_its_lines(folder):
    (folder / "steps" / "order.yaml").write_text(OLDER.replace("CreateOrUpdate", "Aply"))

    assert problems_of(folder)[0].startswith(
        'steps/order.yaml:8 spec.groups[0].steps[0].action: unknown action "Aply": available'
    )


@pytest.mark.parametrize("text", ["", OURS, f"{OLDER}---\n{OLDER}", "- 1\n"])
def test_the_file_holds_one_rollout_of_the_older_format(folder, text):
    (folder / "steps" / "order.yaml").write_text(text)

    assert "expected one Rollout of 'workflow" in problems_of(folder)[0]


def test_a_document_of_the_older_format_runs_as_it_is(folder):
    spec = load_rollout(folder / "steps" / "order.yaml").spec

    assert (spec.name, spec.labels, spec.target.namespace) == ("shop", {"team": "a"}, "apps")
    assert spec.source.options == {"path": "."}


def test_manifests_beside_it_are_its_source(folder):
    (folder / "steps" / "manifests").mkdir()

    assert load_rollout(folder / "steps" / "order.yaml").spec.source.options["path"] == "manifests"


def test_jsonnet_beside_it_makes_its_objects(folder):
    (folder / "steps" / "main.jsonnet").write_text("{}")
    spec = load_rollout(folder / "steps" / "order.yaml").spec

    assert (spec.renderers[0].name, dict(spec.renderers[0].options)) == (
        "jsonnet",
        {"entrypoint": "main.jsonnet"},
    )


def test_a_name_that_no_rollout_can_have_is_told(folder):
    (folder / "steps" / "order.yaml").write_text(OLDER.replace("name: shop", "name: My_Shop"))

    with pytest.raises(InvalidSpec, match=r"order.yaml:3 metadata.name: expected a DNS label"):
        load_rollout(folder / "steps" / "order.yaml")


def test_a_document_without_a_name_cannot_run_alone(folder):
    (folder / "steps" / "order.yaml").write_text(OLDER.replace("name: shop, ", ""))

    with pytest.raises(InvalidSpec, match=r"metadata.name: required, but missing"):
        load_rollout(folder / "steps" / "order.yaml")
