"""Parts of trees: patterns, values that folders inherit, scripts that are read."""

from __future__ import annotations

from typing import Any

import pytest

from rollwright.renderers.jinja.pages import TemplateFailure
from rollwright.renderers.tree.context import Context, Lent
from rollwright.renderers.tree.globs import Globs, choose
from rollwright.renderers.tree.scripts import Api, declare


def chosen(names: str, includes: list[str], excludes: list[str] | None = None) -> list[str]:
    return list(choose(names.split(), Globs(includes), Globs(excludes or [])))


def test_includes_order_and_excludes_leave_out():
    """TRE-9."""
    assert chosen("foo bal bar baz", ["baz", "*"], ["f*"]) == ["baz", "bal", "bar"]


def test_what_matches_no_include_is_out():
    """TRE-9."""
    assert chosen("a.yaml b.txt c.yml", ["*.yml", "*.yaml"]) == ["c.yml", "a.yaml"]


def test_globs_are_an_ordered_set():
    """TRE-12."""
    globs = Globs(["a"])
    globs.extend(["b", "a"])
    globs.extend_first(["x", "z"])
    globs.add_first("a")
    globs.discard("b")

    assert chosen("a b x z", [*globs]) == ["x", "z", "a"]
    assert "x" in globs
    assert "b" not in globs
    globs.clear()
    assert len(globs) == 0


def test_the_defaults_of_all_folders_cannot_be_changed():
    """TRE-12."""
    globs = Globs(["*"], is_fixed=True)
    for change in (lambda: globs.add("a"), lambda: globs.discard("*"), globs.clear):
        with pytest.raises(ValueError, match="cannot be changed"):
            change()


def folders() -> tuple[Context, Context, Context]:
    parent = Context()
    return parent, Context(parent=parent), Context(parent=parent)


def test_values_are_looked_up_above_and_set_here():
    """TRE-15, TRE-16."""
    parent, child, sibling = folders()
    parent.a, child.b = 1, 2

    assert (child.a, child.b) == (1, 2)
    assert "b" not in parent
    assert "b" not in sibling


def test_a_list_is_copied_on_the_first_change():
    """TRE-17."""
    parent, child, sibling = folders()
    parent.a = [1]
    child.a.append(2)
    parent.a.append(3)

    assert (list(parent.a), list(child.a), list(sibling.a)) == ([1, 3], [1, 2], [1, 3])


def test_a_mapping_is_a_namespace_chained_to_the_one_above():
    """TRE-18."""
    parent, child, _ = folders()
    parent.ns = {"x": 1, "w": 1}
    child.ns = {"x": 2}

    assert (child.ns.x, child.ns.w, parent.ns.x) == (2, 1, 1)


def test_changing_an_inherited_namespace_stays_here():
    """TRE-18, TRE-N2."""
    parent, child, sibling = folders()
    parent.ns = {"x": 1}
    child.ns.x = 2

    assert (parent.ns.x, child.ns.x, sibling.ns.x) == (1, 2, 1)


def test_a_single_value_does_not_become_a_namespace():
    parent, child, _ = folders()
    parent.a = 1
    with pytest.raises(ValueError, match="cannot become a namespace"):
        child.a = {}


def test_in_and_dir_look_up_and_brackets_do_not():
    """TRE-19."""
    parent, child, _ = folders()
    parent.a, child.b = 1, 2

    assert "a" in child
    assert dir(child) == ["a", "b"]
    with pytest.raises(KeyError):
        child["a"]


def test_a_value_can_be_deleted_here_only():
    parent, child, _ = folders()
    parent.a = child.a = 1
    del child.a

    assert child.a == 1
    with pytest.raises(AttributeError):
        del child.a


def declared(text: str, **values: Any) -> Context:
    ktor = Context(values)
    declare(text, "a/.kubernator.py", ktor)
    return ktor


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ktor.r = 'x'", "x"),
        ('"""A header."""\nktor.r = [1, -2, (True, None)]', [1, -2, (True, None)]),
        ("name = 'x'\nktor.r = f'{name}-{ktor.a}'", "x-1"),
        ("ktor.r = 'a'\nktor.r += 'b'", "ab"),
        ("ktor.r = [1] + ktor.items", [1, 2]),
        ("if ktor.a == 1 and 'b' not in ktor:\n  ktor.r = 1\nelse:\n  ktor.r = 2", 1),
        ("ktor.r = 'x' if not ktor.a else 'z'", "z"),
        ("ktor.r = 'A.b'.lower().split('.')", ["a", "b"]),
        ("ktor.r = {'k': [5]}['k'][0]", 5),
        ("items = [1]\nitems.append(2)\nktor.r = items[1:]", [2]),
        ("ktor.r = ktor.double(ktor.a)\nlogger.info('done %s', ktor.r)", 2),
        ("ktor.r = x = 3\ndel ktor.a\npass", 3),
    ],
)
def test_scripts_that_declare_are_read(text, value):
    ktor = declared(text, a=1, items=[2], double=Api(lambda number: number * 2))

    assert (list(ktor.r) if isinstance(ktor.r, Lent) else ktor.r) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os", "an import"), ("from os import path", "an import"),
        ("def f():\n  pass", "a function"), ("ktor.f = lambda: 1", "a function"),
        ("class A:\n  pass", "a class"), ("for a in [1]:\n  pass", "a loop"),
        ("while True:\n  pass", "a loop"), ("ktor.a = [x for x in [1]]", "a loop"),
        ("with ktor.a:\n  pass", "`with`"), ("try:\n  pass\nfinally:\n  pass", "`try`"),
        ("open('/etc/passwd')", "'open' is not known"), ("__import__('os')", "is not known"),
        ("ktor.a.__class__", "this attribute"), ("''.__class__", "this attribute"),
        ("ktor._own", "this attribute"), ("'{0.x}'.format(ktor)", "this attribute"),
        ("ktor.a = 'a' * 10 ** 10", "this operator"), ("ktor.double(*[1])", "this call"),
        ("ktor.a = 1 if", "not Python"), ("(lambda: 1)()", "a function"),
        ("ktor.nope", "no value 'nope'"), ("ktor.a = 1\n\nktor.a()", "this call"),
        ("ktor.a = 'x' + 1", "cannot add a int to a str"), ("ktor.double(1, 2)", "takes 1"),
        ("\0", "not Python"), ("ktor._x = 1", "no value may be called"),
        ("ktor.double.__call__.__globals__", "this attribute"),
        ("logger.handlers", "no value 'handlers'"), ("ktor.as_json.__func__", "this attribute"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_line(text, said):
    with pytest.raises(TemplateFailure) as caught:
        declared("ktor.b = 1\n" + text, a=1, double=Api(lambda number: number * 2))

    assert said in caught.value.message
    assert caught.value.file == "a/.kubernator.py"


def test_a_refusal_says_its_line():
    with pytest.raises(TemplateFailure) as caught:
        declared("\n\nimport os\n")

    assert caught.value.line == 3


def test_deep_expressions_end():
    with pytest.raises(TemplateFailure):
        declared("ktor.a = " + "(" * 5000 + "1" + ")" * 5000)


def test_values_do_not_grow_without_end():
    with pytest.raises(TemplateFailure, match="longer than"):
        declared("ktor.a = 'aaaaaaaa'\n" + "ktor.a += ktor.a\n" * 40)
