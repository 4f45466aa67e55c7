"""Every exception: what it says, what it hints at, and what the command line ends with."""

from __future__ import annotations

import re

import pytest

from rollwright import errors
from rollwright.errors import (
    ApplyConflict,
    Cause,
    ClusterError,
    GuardRefused,
    InvalidDocument,
    InvalidManifests,
    InvalidSpec,
    LockHeld,
    LockLost,
    NotFound,
    PluginNotFound,
    Problem,
    Refused,
    RenderError,
    RolloutError,
    SandboxError,
    StateConflict,
    Unauthorized,
    Unreachable,
    excerpt,
)


def test_the_tree_names_every_exception():
    public = {
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, RolloutError) and not name.startswith("_")
    }
    drawn = set(re.findall(r"^ {4}(?:[│ ]*[├└]── )?([A-Z]\w+)", errors.__doc__, re.MULTILINE))

    assert drawn == public


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (RolloutError, 1), (ClusterError, 1), (ApplyConflict, 1), (InvalidDocument, 2),
        (NotFound, 2), (RenderError, 2), (Unreachable, 3), (Unauthorized, 3), (SandboxError, 3),
        (Refused, 4), (GuardRefused, 4), (LockHeld, 4), (LockLost, 4), (StateConflict, 4),
    ],
)  # fmt: skip
def test_the_exit_code_follows_from_the_kind(kind, code):
    assert kind("no").exit_code == code


@pytest.mark.parametrize("kind", [InvalidSpec, InvalidManifests])
def test_invalid_input_ends_with_two(kind):
    assert kind([]).exit_code == 2


def test_an_unknown_plugin_ends_with_two():
    assert PluginNotFound("renderers", "x", known=()).exit_code == 2


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidDocument("x"), ValueError), (InvalidSpec([]), ValueError),
        (InvalidManifests([]), ValueError), (NotFound("x"), LookupError),
        (PluginNotFound("a", "b", known=()), LookupError), (Unreachable("x"), ConnectionError),
    ],
)  # fmt: skip
def test_an_error_is_also_the_builtin_that_it_specializes(error, builtin):
    assert isinstance(error, builtin)


def test_message_and_hint_are_two_things():
    error = RolloutError("it broke", hint="mend it")

    assert (str(error), error.message, error.hint) == ("it broke", "it broke", "mend it")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RolloutError("x"), False), (RolloutError("x", retryable=True), True),
        (Unreachable("x"), True), (Unreachable("x", retryable=False), False),
        (Unauthorized("x"), False), (ClusterError("x"), False), (Refused("x"), False),
    ],
)  # fmt: skip
def test_an_error_says_whether_trying_again_may_help(error, expected):
    assert error.retryable is expected


def test_a_cluster_error_has_the_facts_of_the_status():
    cause = Cause(reason="FieldValueInvalid", field="spec.x", message="too long")
    error = ClusterError(
        "no", status=422, reason="Invalid", causes=[cause], retry_after_seconds=1.5, hint="h"
    )

    assert (error.status, error.reason, error.causes, error.retry_after_seconds, error.hint) == (
        422, "Invalid", (cause,), 1.5, "h"
    )  # fmt: skip


# ------------------------------------------------------------------ problems


def a_problem(where="", path="", message="m") -> Problem:
    return Problem(where=where, path=path, message=message)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (a_problem("a.yaml:3", "spec.x"), "a.yaml:3 spec.x: m"),
        (a_problem("a.yaml"), "a.yaml: m"),
        (a_problem(path="spec.x"), "spec.x: m"),
        (a_problem(), "m"),
    ],
)
def test_a_problem_says_its_place_if_it_has_one(problem, text):
    assert str(problem) == text


def test_all_problems_are_told_one_a_line():
    error = InvalidSpec([a_problem("a.yaml:1"), a_problem("a.yaml:2")])

    assert error.message == "2 problems in the document:\n  a.yaml:1: m\n  a.yaml:2: m"


def test_one_problem_is_one_problem():
    assert InvalidManifests([a_problem()]).message == "1 problem in the manifests:\n  m"


def test_problems_stand_by_file_line_and_path():
    problems = [
        a_problem("b.yaml:1"), a_problem("a.yaml:10"), a_problem("a.yaml:9", "y"),
        a_problem("a.yaml:9", "x"), a_problem("Deployment/shop/web"),
    ]  # fmt: skip

    assert [str(one) for one in InvalidSpec(problems).problems] == [
        "Deployment/shop/web: m", "a.yaml:9 x: m", "a.yaml:9 y: m", "a.yaml:10: m", "b.yaml:1: m",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [InvalidSpec, InvalidManifests])
def test_problems_may_have_a_hint(kind):
    assert kind([a_problem()], hint="look").hint == "look"


# ------------------------------------------------------------------ plugins


def test_a_misspelled_plugin_gets_a_hint():
    error = PluginNotFound("renderers", "hlem", known=("plain", "helm"))

    assert (error.message, error.hint) == (
        "no renderer 'hlem'; known: helm, plain", "did you mean 'helm'?"
    )  # fmt: skip


def test_a_plugin_like_none_gets_no_hint():
    error = PluginNotFound("renderers", "zzz", known=())

    assert (error.message, error.hint) == ("no renderer 'zzz'; known: none", None)


# ------------------------------------------------------------------ foreign text


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        ("short", 10, "short"),
        ("  two\n lines\t", 20, "two lines"),
        ("x" * 10, 10, "x" * 10),
        ("x" * 11, 10, "x" * 9 + "…"),
        ("", 10, ""),
    ],
)
def test_foreign_text_is_cut_to_one_short_line(text, length, expected):
    assert excerpt(text, length) == expected


def test_a_message_quotes_at_most_256_characters():
    assert len(excerpt("x" * 100_000)) == 256
