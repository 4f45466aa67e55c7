"""How much of a log a report keeps, and what must never stand in it."""

from __future__ import annotations

from base64 import b64encode

import pytest

from rollwright.rollouts.container_logs import KEPT_BYTES, KEPT_LINES, kept_log

SECRET = "a-long-secret-value"


def test_a_short_log_is_kept_whole():
    assert kept_log("one\n\n  two", frozenset()) == "one\n\n  two\n"


def test_of_many_lines_the_last_are_kept():
    text = "".join(f"{number}\n" for number in range(5000))

    kept = kept_log(text, frozenset()).splitlines()
    assert (len(kept), kept[-1]) == (KEPT_LINES, "4999")


def test_of_long_lines_the_last_are_kept_whole():
    text = "".join(f"{number} {'x' * 10_000}\n" for number in range(500))

    kept = kept_log(text, frozenset())
    assert len(kept.encode()) <= KEPT_BYTES
    assert all(line.endswith("x" * 10_000) for line in kept.splitlines())


def test_of_one_endless_line_the_end_is_kept():
    kept = kept_log("é" * KEPT_BYTES + "end", frozenset())

    assert kept.endswith("end\n")
    assert len(kept.encode()) <= KEPT_BYTES + 1


@pytest.mark.parametrize("text", [SECRET, b64encode(SECRET.encode()).decode()])
def test_secrets_are_hidden_in_every_form(text):
    assert kept_log(f"it is {text}!\n", {SECRET}) == "it is ***!\n"


def test_lines_of_a_secret_are_hidden_by_themselves():
    secret = "first-line-of-key\nsecond-line-of-key"

    assert kept_log("got second-line-of-key\n", {secret}) == "got ***\n"


def test_colors_do_not_hide_a_secret():
    assert kept_log(f"\x1b[31m{SECRET[:4]}\x1b[0m{SECRET[4:]}\n", {SECRET}) == "***\n"


def test_nothing_is_kept_of_nothing():
    assert kept_log("", {SECRET}) == ""
