"""Rollout documents as files: what they mean, or every mistake in them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import jsonschema_rs
import pytest

from rollwright.documents import Document, load_all, nearest_line
from rollwright.errors import InvalidSpec, Problem
from rollwright.rollouts.spec import RolloutSpec, dump, parse, rollout_schema

CASES = Path(__file__).parent / "spec"
VALID = sorted(CASES.glob("valid/*.yaml"))
INVALID = sorted(CASES.glob("invalid/*.yaml"))

BEYOND_SCHEMA = {"dependencies", "secrets"}
"""Mistakes between several fields, which a JSON Schema does not express."""


def only_document(file: Path) -> Document:
    [document] = load_all(file.read_text(), name=file.name)
    return document


def spec_of(file: Path) -> RolloutSpec:
    document = only_document(file)
    return parse(document.value, name=file.name, line_of=partial(nearest_line, document))


def by_line(problem: Problem) -> tuple[int, str, str]:
    line = problem.where.rpartition(":")[2]
    return int(line), problem.path, problem.message


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_every_problem_is_told_as_recorded(file):
    with pytest.raises(InvalidSpec) as caught:
        spec_of(file)
    told = [f"{problem}\n" for problem in sorted(caught.value.problems, key=by_line)]

    assert "".join(told) == file.with_suffix(".txt").read_text()


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_a_good_document_means_what_is_recorded(file):
    assert dump(spec_of(file)) == json.loads(file.with_suffix(".json").read_text())


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_a_dumped_document_means_the_same(file):
    spec = spec_of(file)

    assert parse(dump(spec)) == parse(dump(spec, keep_defaults=True)) == spec


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_the_schema_allows_a_good_document(file):
    errors = jsonschema_rs.validator_for(rollout_schema()).iter_errors(only_document(file).value)

    assert [error.message for error in errors] == []


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_the_schema_allows_what_is_dumped(file):
    assert jsonschema_rs.is_valid(rollout_schema(), dump(spec_of(file)))


@pytest.mark.parametrize(
    "file", [file for file in INVALID if file.stem not in BEYOND_SCHEMA], ids=lambda file: file.stem
)
def test_the_schema_refuses_a_bad_document(file):
    assert not jsonschema_rs.is_valid(rollout_schema(), only_document(file).value)
