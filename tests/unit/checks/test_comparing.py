"""When two values of a comparison are equal."""

from __future__ import annotations

from fractions import Fraction

import orjson
from hypothesis import given
from hypothesis import strategies as st

from rollwright.checks.comparing import printed, same

NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(NUMBERS, NUMBERS)
def test_numbers_are_equal_if_their_values_are(left, right) -> None:
    assert same(left, right) == (Fraction(left) == Fraction(right))


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_equals_itself_with_a_point(number) -> None:
    assert same(number, float(number))


@given(NUMBERS, st.booleans())
def test_a_boolean_is_no_number(number, flag) -> None:
    assert not same(number, flag)


@given(NUMBERS)
def test_a_text_is_no_number(number) -> None:
    assert not same(number, str(number))


@given(JSON)
def test_every_value_equals_what_its_json_says(value) -> None:
    assert same(value, orjson.loads(orjson.dumps(value)))


@given(JSON, JSON)
def test_is_the_same_from_both_sides(left, right) -> None:
    assert same(left, right) == same(right, left)


@given(JSON)
def test_a_value_in_words_is_short_and_on_one_line(value) -> None:
    words = printed(value)

    assert (len(words) <= 256, len(words.splitlines()) <= 1) == (True, True)
