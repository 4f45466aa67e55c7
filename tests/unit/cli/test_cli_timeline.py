"""``status --timeline``: what is typed wrong, and what it looks like once a run is on record."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    "words",
    [
        ("--timeline",),
        ("--svg", "x.svg"),
        ("shop", "--timeline", "--watch"),
    ],
)
def test_a_timeline_is_that_of_one_rollout_once(run, words):
    done = run("status", *words)

    assert (done.code, done.out) == (2, "")
    assert "--timeline" in done.err


def test_the_form_has_a_schema(run):
    schema = json.loads(run("schema", "timeline").out)

    assert schema["title"] == "Timeline"
    assert set(schema["properties"]) == {"apiVersion", "kind", "rollout", "runs"}
