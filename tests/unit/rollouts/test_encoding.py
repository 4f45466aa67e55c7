"""What a Secret's ``stringData`` becomes before it is compared and sent."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.rollouts.encoding import encoded

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))


def body_of(**content):
    (manifest,) = encoded(w.a_set(w.a_body("Secret", "login", **content)))
    return {key: value for key, value in manifest.body.items() if key in content or key == "data"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"stringData": {"a": "hunter2"}}, {"a": "aHVudGVyMg=="}),
        ({"stringData": {"a": "hü"}}, {"a": "aMO8"}),
        ({"stringData": {"a": ""}}, {"a": ""}),
        ({"stringData": {"a": "x"}, "data": {"a": "eQ=="}}, {"a": "eA=="}),
        ({"stringData": {"a": "x"}, "data": {"b": "eQ=="}}, {"a": "eA==", "b": "eQ=="}),
    ],
)
def test_texts_become_data(content, expected):
    assert body_of(**content) == {"data": expected}


def test_no_texts_are_no_data():
    assert body_of(stringData={}) == {}


@pytest.mark.parametrize(
    "content",
    [
        {"stringData": {"a": 5}},
        {"stringData": ["a"]},
        {"stringData": {"a": "x"}, "data": ["b"]},
    ],
)
def test_what_the_server_refuses_stays_for_it_to_refuse(content):
    assert body_of(**content) == content


def test_other_kinds_stay_as_they_are():
    wanted = w.a_set(w.a_body("Secret", "a", api_version="x.io/v1", stringData={"a": "x"}))

    assert encoded(wanted) is wanted


def test_the_identity_stays():
    wanted = w.a_set(w.a_body("Secret", "login", stringData={"a": "x"}))

    assert [one.ref for one in encoded(wanted)] == [one.ref for one in wanted]
