"""What reaches a terminal, and what a program reads."""

from __future__ import annotations

import io

import pytest

from rollwright.cli.output import (
    document_text,
    record_text,
    wants_color,
    write_lines,
    write_table,
)
from rollwright.rollouts.describe.lines import Line, Tone


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _a_color_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def written(stream, *lines):
    write_lines(lines, stream)
    return stream.getvalue()


def test_lines_are_colored_on_a_terminal():
    assert written(Terminal(), Line("+ a", Tone.ADDED, 1)) == "  \x1b[32m+ a\x1b[0m\n"


def test_lines_are_plain_elsewhere():
    assert written(io.StringIO(), Line("+ a", Tone.ADDED, 1)) == "  + a\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "")])
def test_colors_can_be_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    assert not wants_color(Terminal())


def test_an_empty_no_color_means_nothing(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")

    assert wants_color(Terminal())


def test_nobody_else_steers_the_terminal():
    text = written(Terminal(), Line("evil \x1b]0;title\x07\x1b[2J \u202egnp"))

    assert "\x1b" not in text


def test_columns_are_as_wide_as_their_widest_cell(capsys):
    write_table(("A", "B"), [("long cell", "x"), ("y", "z")])

    assert capsys.readouterr().out == "A          B\nlong cell  x\ny          z\n"


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_documents_can_be_read_again(form):
    from rollwright.documents import load

    value = {"a": [1, None, "y", 1.5], "b": {"c": "2026-01-01T00:00:00Z"}}

    assert load(document_text(value, form)) == value


def test_what_comes_one_by_one_is_a_line_of_json_or_a_yaml_document():
    assert record_text({"a": [1]}, "json") == '{"a":[1]}'
    assert record_text({"a": [1]}, "yaml") == "---\na:\n- 1"
