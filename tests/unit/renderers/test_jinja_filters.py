"""The filters of templates, each against a reader of YAML."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rollwright.documents import load
from rollwright.renderers.jinja.environment import Syntax, TreeLoader, make_environment
from rollwright.renderers.tree.templating import SYNTAX, Unset, resolved

NASTY = ["", "a", " a", "a ", "yes", "1e3", "null", "a: b", "- a", "#a", "'", '"', "ä€😀", "0777",
         "{a}", "[a]", "*a", "&a", "a\nb", "\na\n", "a\n\n", "  a\n b", "\ta", "a\tb\n", "%", "@", "|"]  # fmt: skip


def rendered(tmp_path, text: str, **context: Any) -> str:
    return make_environment(TreeLoader(tmp_path), Syntax()).from_string(text).render(context)


def in_a_tree(tmp_path, text: str, **context: Any) -> str:
    environment = make_environment(TreeLoader(tmp_path), SYNTAX, undefined=Unset, finalize=resolved)
    return environment.from_string(text).render(context)


def test_json_is_on_one_line(tmp_path):
    value = {"a": "x", "b": [1, None, True, "ä"]}

    assert rendered(tmp_path, "{{ v | to_json }}", v=value) == json.dumps(value, ensure_ascii=False)


def test_yaml_begins_on_a_line_of_its_own(tmp_path):
    text = rendered(tmp_path, "a:\n    b:{{ v | to_yaml(8, 4) }}", v={"x": {"w": 2}, "z": 1})

    assert text == "a:\n    b:\n        x:\n            w: 2\n        z: 1\n"


def test_yaml_without_arguments_has_no_margin(tmp_path):
    assert rendered(tmp_path, "{{ v | to_yaml }}", v={"x": {"w": "no"}}) == "\nx:\n  w: 'no'\n"


@pytest.mark.parametrize("value", NASTY)
def test_a_text_is_one_scalar(tmp_path, value):
    text = rendered(tmp_path, "a: {{ v | to_yaml_str }}b: 1\n", v=value)

    assert text.count("\n") == 2
    assert load(text) == {"a": value, "b": 1}


@pytest.mark.parametrize("value", [{"a": "x", "b": "y"}, [], "x", {"a": "it's"}, None])
def test_json_is_one_scalar(tmp_path, value):
    text = rendered(tmp_path, "a: {{ v | to_json_yaml_str }}", v=value)

    assert load(text)["a"] == json.dumps(value)


@pytest.mark.parametrize("value", NASTY)
def test_a_text_is_a_block(tmp_path, value):
    text = rendered(tmp_path, "a:\n    b: {{ v | to_yaml_str_block }}\n    c: 1\n", v=value)

    assert load(text) == {"a": {"b": value, "c": 1}}


@pytest.mark.parametrize("value", NASTY)
def test_a_block_stands_where_it_is_told(tmp_path, value):
    text = rendered(tmp_path, "b: {{ v | to_yaml_str_block(0, 4) }}\nc: 1\n", v=value)

    assert load(text) == {"b": value, "c": 1}


def test_json_is_a_block(tmp_path):
    value = {"a": {"b": [1, 2]}, "c": "x"}
    text = rendered(tmp_path, "a:\n    b: {{ v | to_json_yaml_str_block() }}\n", v=value)

    assert load(text)["a"]["b"] == json.dumps(value, indent=2)


@pytest.mark.parametrize("name", ["to_json", "to_yaml", "to_yaml_str", "to_json_yaml_str",
                                  "to_yaml_str_block", "to_json_yaml_str_block"])  # fmt: skip
def test_what_is_undefined_is_not_written(tmp_path, name):
    with pytest.raises(Exception, match="'nope' is undefined"):
        rendered(tmp_path, f"{{{{ nope | {name} }}}}")


@pytest.mark.parametrize(
    "text", ["{{ v | to_yaml(1000) }}", "{{ v | to_yaml(0, 0) }}", "{{ 'a b' | to_yaml_str_block(-1) }}"]
)  # fmt: skip
def test_spaces_have_limits(tmp_path, text):
    with pytest.raises(ValueError, match="spaces"):
        rendered(tmp_path, text, v={"a": 1})


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), ([None, "a"], '[null, "a"]'), ({"a": 1}, '{"a": 1}'),
     (1, "1"), (1.5, "1.5"), ("x", "x")],
)  # fmt: skip
def test_values_print_as_yaml(tmp_path, value, text):
    assert rendered(tmp_path, "{{ v }}", v=value) == text


def test_a_value_that_is_a_template_is_rendered_until_none_is_left(tmp_path):
    """TRE-73."""
    values = {
        "foo": "{${ values.bar }$}",
        "zoom": [{"x": 10}],
        "bar": "{${ values.baz }$}",
        "baz": "b",
    }
    text = in_a_tree(tmp_path, "{${ values.zoom }$} {${ values.foo }$}", values=values)

    assert text == "[{'x': 10}] b"


def test_a_value_that_is_a_template_has_the_filters(tmp_path):
    """TRE-73."""
    values = {"file": "{${ ktor.file | to_json }$}"}
    text = in_a_tree(tmp_path, "a: {${ values.file }$}", values=values, ktor={"file": {"a": "x"}})

    assert text == 'a: {"a": "x"}'


def test_values_that_render_one_another_end(tmp_path):
    values = {"a": "{${ values.b }$}", "b": "{${ values.a }$}"}
    with pytest.raises(RecursionError):
        in_a_tree(tmp_path, "{${ values.a }$}", values=values)


@pytest.mark.parametrize(
    "text",
    ["{% if nope %}x{% endif %}", "{${ nope | default('') }$}", "{% if a.b.c %}x{% endif %}",
     "{% for one in nope %}x{% endfor %}", "{${ a.b.c is defined and 'x' or '' }$}"],
)  # fmt: skip
def test_what_is_undefined_in_a_tree_may_be_asked_for(tmp_path, text):
    """TRE-74."""
    assert in_a_tree(tmp_path, text, a={}) == ""


@pytest.mark.parametrize("text", ["{${ nope }$}", "{${ a.b.c }$}", "{${ 'x' ~ nope }$}"])
def test_what_is_undefined_in_a_tree_is_not_printed(tmp_path, text):
    """TRE-74."""
    with pytest.raises(Exception, match=r"undefined|no attribute"):
        in_a_tree(tmp_path, text, a={})
