"""What is dumped reads back the same, and no text does more than be refused."""

from __future__ import annotations

import json

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rollwright.documents import ambiguities, dump, dump_all, line_of, load, load_all
from rollwright.documents.scalars import narrow
from rollwright.errors import InvalidDocument

relaxed = settings(deadline=None)
"""The machine may be busy; time is no property of a document."""

NASTY_WORDS = """
y n Yes NO on off ~ null true False 1 0777 0o17 08 1e3 1234567e8 123e456 .5_ ._5 1_000 0b-1 +1 -
190:20:30 2001-12-14 2001-1-2 = << .inf .NaN !x *a &a #c a: - ? | > %a @a `a --- ... {} [] '' "
"""
NASTY = NASTY_WORDS.split()
TEXTS = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text(st.sampled_from("-+0123456789._eExob:aT \n\r\t\x85\u2028#'\"\\yn~"), max_size=12),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False).map(narrow),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=25,
)
YAML_LIKE = st.text(st.sampled_from("ab1y<*&!|>%@-?:,[]{}#'\"\\ \n\t\r~."), max_size=40)


def exact(value) -> str:
    return json.dumps(value)


@relaxed
@given(value=VALUES.filter(lambda value: value is not None))
def test_load_returns_what_was_dumped(value) -> None:
    assert exact(load(dump(value))) == exact(value)


@relaxed
@given(values=st.lists(VALUES.filter(lambda value: value is not None), max_size=4))
def test_load_all_returns_what_was_dumped(values) -> None:
    assert exact([document.value for document in load_all(dump_all(values))]) == exact(values)


@relaxed
@given(value=VALUES.filter(lambda value: value is not None))
def test_load_reads_json_as_json(value) -> None:
    text = json.dumps(value)

    assert exact(load(text, name="x.json")) == exact(value)


@relaxed
@given(value=st.dictionaries(TEXTS, VALUES, max_size=5))
def test_json_is_read_alike_as_yaml(value) -> None:
    text = json.dumps(value, ensure_ascii=True).replace("\\ud", "?")

    assert exact(load(f"# not JSON\n{text}")) == exact(load(text, name="x.json"))


@relaxed
@given(value=TEXTS)
def test_no_reader_takes_a_dumped_string_for_anything_else(value) -> None:
    text = dump({"key": value, "list": [value]})

    assert yaml.safe_load(text) == {"key": value, "list": [value]}


@relaxed
@given(value=st.dictionaries(TEXTS, TEXTS, max_size=5))
def test_dumped_strings_are_never_ambiguous(value) -> None:
    assert ambiguities(dump(value)) == ()


@relaxed
@given(value=st.dictionaries(TEXTS, VALUES, min_size=1, max_size=5))
def test_every_dumped_key_has_a_line(value) -> None:
    (document,) = load_all(dump(value))

    assert all(line_of(document, (key,)) is not None for key in value)


@relaxed
@given(text=st.one_of(YAML_LIKE, st.text(max_size=40), st.binary(max_size=40)))
@example(text="a: &a {<<: *a}")
def test_any_text_is_read_or_refused(text) -> None:
    try:
        values = [document.value for document in load_all(text)]
    except InvalidDocument:
        return

    assert json.loads(json.dumps(values, allow_nan=False)) == values


@relaxed
@given(text=YAML_LIKE)
def test_lint_survives_any_text(text) -> None:
    try:
        problems = ambiguities(text, name="x.yaml")
    except InvalidDocument:
        return

    assert all(problem.where.startswith("x.yaml:") for problem in problems)
