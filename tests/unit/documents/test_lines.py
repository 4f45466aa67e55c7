from __future__ import annotations

import pytest

from rollwright.documents import line_of, load_all, nearest_line, path_text

TEXT = """\
# a comment
kind: Rollout

spec: &spec
  groups:
  - name: a
    steps: []
  - {name: b,
     yes: 1}
---
# another

copy:
  <<: &base
    x: 1
  text: |
    a
    b
  1: one
list:
- - a
  - b
"""


@pytest.mark.parametrize(
    ("number", "path", "line"),
    [
        (0, (), 2),
        (0, ("kind",), 2),
        (0, ("spec",), 4),
        (0, ("spec", "groups", 0), 6),
        (0, ("spec", "groups", 0, "steps"), 7),
        (0, ("spec", "groups", 1), 8),
        (0, ("spec", "groups", 1, "true"), 9),
        (1, (), 13),
        (1, ("copy", "x"), 15),
        (1, ("copy", "text"), 16),
        (1, ("copy", "1"), 19),
        (1, ("list", 0, 1), 22),
        (0, ("spec", "name"), None),
        (0, ("spec", "groups", 2), None),
        (0, ("spec", "groups", -1), None),
        (0, ("kind", "x"), None),
        (0, ("spec", 0), None),
    ],
)
def test_line_of_finds_keys_and_items(number, path, line) -> None:
    assert line_of(load_all(TEXT)[number], path) == line


@pytest.mark.parametrize(
    ("path", "line"),
    [(("spec", "groups", 1, "stepz", 0), 8), (("spec", "prune"), 4), (("nothing",), 2)],
)
def test_nearest_line_goes_up_to_what_is_there(path, line) -> None:
    assert nearest_line(load_all(TEXT)[0], path) == line


def test_documents_know_their_first_line() -> None:
    assert [document.line for document in load_all(TEXT)] == [2, 13]


def test_lines_count_characters_not_bytes() -> None:
    documents = load_all("a: éé😀\nb: 1\n---\né: 1\nc: 1\n")

    assert line_of(documents[1], ("c",)) == 5


def test_lines_survive_windows_line_ends() -> None:
    documents = load_all(b"\xef\xbb\xbfa: 1\r\n---\r\nb: 1\r\nc: 1\r\n")

    assert line_of(documents[1], ("c",)) == 4


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("spec", "groups", 0, "name"), "spec.groups[0].name"),
        ((0, "a"), "[0].a"),
        (("data", "a.b/c"), "data['a.b/c']"),
    ],
)
def test_paths_are_written_for_people(path, text) -> None:
    assert path_text(path) == text
