"""Keys of events become keys of instances, as the older configuration files say it."""

from __future__ import annotations

import re

import pytest

from rollwright.rollouts.triggering.go_patterns import compiled, expanded
from rollwright.rollouts.triggering.keys import KeyAction, KeyTransformation, transformed
from rollwright.rollouts.triggering.selectors import Operator, selector_text

GRAFANA = "([a-z0-9]([-a-z0-9]*[a-z0-9])?)/grafana-(.*)"


def keep(regex):
    return KeyTransformation(action=KeyAction.KEEP, regex=regex)


def drop(regex):
    return KeyTransformation(action=KeyAction.DROP, regex=regex)


def replace(regex, replacement="$1"):
    return KeyTransformation(regex=regex, replacement=replacement)


@pytest.mark.parametrize(
    ("key", "steps", "after"),
    [
        # DOC-55: none at all, and the defaults
        ("default/main", (), "default/main"),
        ("default/main", (KeyTransformation(),), "default/main"),
        # The example: an event of a Deployment is about the resource that it was made for.
        ("default/grafana-main", (keep(GRAFANA), replace(GRAFANA, "$1/$3")), "default/main"),
        ("a-b/grafana-x-y", (keep(GRAFANA), replace(GRAFANA, "$1/$3")), "a-b/x-y"),
        ("default/prometheus", (keep(GRAFANA), replace(GRAFANA, "$1/$3")), None),
        # DOC-56: anywhere, unless anchored
        ("default/main", (keep("mai"),), "default/main"),
        ("default/main", (keep("^main"),), None),
        ("default/main", (keep("main$"),), "default/main"),
        # DOC-58, DOC-N1: what matches is dropped, the rest is kept
        ("default/main", (drop("main"),), None),
        ("default/main", (drop("other"),), "default/main"),
        # DOC-59: text outside the match is lost; without a match nothing happens
        ("default/main-1", (replace("main", "x"),), "x"),
        ("default/main", (replace("other", "x"),), "default/main"),
        # DOC-60, DOC-N2: nothing brings a dropped key back
        ("default/main", (drop("main"), replace("(.*)", "a/b")), None),
        # In order: a later step sees what an earlier one made.
        ("default/x", (replace("x", "a/b"), keep("^a/")), "a/b"),
        ("default/x", (replace("x", "a/b"), keep("^default/")), None),
        # Cluster-wide objects have no namespace.
        ("node-1", (replace("node-(.*)", "site/$1"),), "site/1"),
    ],
)
def test_a_key_becomes(key, steps, after):
    assert transformed(key, steps) == after


@pytest.mark.parametrize(
    ("pattern", "text", "template", "after"),
    [
        ("(a)(b)?", "a", "$1-$2", "a-"),
        ("(a)", "a", "${1}x", "ax"),
        ("(a)", "a", "$1x", ""),  # the name is as long as it can be: ${1x}
        ("(a)", "a", "$1_x", ""),
        ("(a)", "a", "$1-x", "a-x"),
        ("(a)", "a", "$$1", "$1"),
        ("(a)", "a", "$9", ""),
        ("(a)", "a", "$", "$"),
        ("(a)", "a", "${1", "${1"),
        ("(a)", "a", "$01", ""),
        ("(a)", "a", "$0", "a"),
        ("(?P<one>a)", "a", "$one/${one}", "a/a"),
        ("(?<one>a)", "a", "$one", "a"),
        ("(a)", "a", r"\1", r"\1"),  # Python's own marks mean nothing
        ("(a)", "a", r"\g<1>", r"\g<1>"),
    ],
)
def test_a_replacement_is_expanded_as_in_go(pattern, text, template, after):
    found = compiled(pattern).search(text)
    assert found

    assert expanded(template, found) == after


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("a$", "a\n", False),
        (r"a\z", "a", True),
        (r"\Qa.b\E+", "a.bb", True),
        (r"\Qa.b\E", "axb", False),
        ("[[:alpha:]_]+$", "ab_", True),
        ("^[[:digit:]]+$", "12a", False),
        (r"\d", "\u0663", False),
        ("(?i)MAIN", "main", True),
        ("[]a]", "]", True),
        ("[^]a]", "]", False),
        (r"[\]]", "]", True),
        ("[[]", "[", True),
        ("^[a&&b]+$", "a&b", True),
        ("^[a||b~~c]+$", "a|~", True),
        ("^a{1000}$", "a" * 1000, True),
        (r"\x{61}", "a", True),
        (r"\$", "$", True),
        ("(?:ab)+?", "abab", True),
        ("a{2}", "aa", True),
        ("^a{,2}$", "a{,2}", True),
        ("^a{,2}$", "aa", False),
    ],
)
def test_a_pattern_matches_as_in_go(pattern, text, is_match):
    assert (compiled(pattern).search(text) is not None) is is_match


@pytest.mark.parametrize(
    "pattern",
    ["(", "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", "(?P<x>a)(?P=x)", "a++", "(?>a)",
     r"\pL", r"a\Z", "(?U)a+", "[[:nope:]]", "*a", "a**", "[", "(?#no)a", "a{1001}", "a{1,1001}", "a{2,1}"],
)  # fmt: skip
def test_what_go_does_not_have_is_refused(pattern):
    with pytest.raises(ValueError, match=r"."):
        KeyTransformation(regex=pattern)


def test_every_selector_operator_is_read():
    expressions = [
        ("tier", Operator.IN, ("b", "a")),
        ("env", Operator.NOT_IN, ("dev",)),
        ("app", Operator.EXISTS, ()),
        ("old", Operator.DOES_NOT_EXIST, ()),
    ]

    text = selector_text({"y": "2", "x": "1"}, expressions)

    assert text == "x=1,y=2,tier in (a,b),env notin (dev),app,!old"


@pytest.mark.parametrize(("operator", "values"), [(Operator.IN, ()), (Operator.EXISTS, ("a",))])
def test_a_selector_without_sense_is_refused(operator, values):
    with pytest.raises(ValueError, match=re.escape(str(operator))):
        selector_text({}, [("a", operator, values)])
