"""Which options are secrets, and how they may be given."""

from __future__ import annotations

import pytest

from rollwright.rollouts.spec.secrets import all_plain_secrets, is_secret_name, secret_problem


@pytest.mark.parametrize(
    "key",
    [
        "secret",
        "password",
        "token",
        "Token",
        "apiToken",
        "client_secret",
        "DB-PASSWORD",
        "apiKey",
        "apikey",
    ],
)
def test_a_key_that_names_a_secret(key):
    assert is_secret_name(key)


@pytest.mark.parametrize(
    "key", ["tokenFile", "secretName", "passwordless", "key", "secrets", "tokens", "", "url"]
)
def test_a_key_that_names_none(key):
    assert not is_secret_name(key)


@pytest.mark.parametrize("reference", [{"env": "A"}, {"file": "/run/a"}, {"block": "a"}])
def test_a_reference_is_fine(reference):
    assert secret_problem(reference) == ""


@pytest.mark.parametrize(
    "value",
    ["hunter2", 5, ["a"], {}, {"env": "A", "file": "b"}, {"value": "a"}, {"env": ""}, {"env": 5}],
)
def test_anything_else_is_not(value):
    assert secret_problem(value)


def test_secrets_are_found_at_any_depth_of_options():
    data = {"feedback": {"team": {"with": {"targets": [{"auth": {"token": "x"}}]}}}}

    assert [path for path, _ in all_plain_secrets(data, ())] == [
        ("feedback", "team", "with", "targets", 0, "auth", "token")
    ]
