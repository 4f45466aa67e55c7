"""Templates: what they see, what they give, and what is said when they fail."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollwright.errors import InvalidDocument, InvalidManifests, RenderError, RolloutError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.jinja.renderer import Jinja

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n"


def a_map(name: str, data: str = "") -> str:
    return MAP.replace("NAME", name) + data


async def rendered(root: Path, tree: dict[str, str], values: Any = None, **options: Any):
    for name, text in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    request = RenderRequest(
        checkout=Checkout(root=root, revision="path@sha256:0"),
        values=values or {},
        rollout="shop",
        namespace="front",
        timeout=timedelta(seconds=20),
    )
    return await Jinja.model_validate(options).render(request)


async def failure(root: Path, tree: dict[str, str], values: Any = None, **options: Any) -> str:
    with pytest.raises(RolloutError) as caught:
        await rendered(root, tree, values, **options)
    return caught.value.message


async def one_name(root: Path, text: str, values: Any = None, **options: Any) -> str:
    [found] = await rendered(root, {"a.yaml": a_map(text)}, values, **options)
    return str(found.ref.name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{{ region }}", "eu"),
        ("{{ values.region }}", "eu"),
        ("{{ values['db']['host'] }}", "db-1"),
        ("{{ rollout }}", "shop"),
        ("{{ namespace }}", "front"),
        ("{{ values.rollout }}", "own"),
        ("{{ nope | default('x') }}", "x"),
        ("{{ 'x' if nope is defined else 'z' }}", "z"),
        (
            "{% set n = namespace(v='a') %}{% for c in 'bc' %}{% set n.v = n.v ~ c %}{% endfor %}{{ n.v }}",
            "abc",
        ),
        ("{% do [] %}{{ 'x' }}", "x"),
    ],
)  # fmt: skip
async def test_templates_see_the_values(tmp_path, text, name):
    values = {"region": "eu", "db": {"host": "db-1"}, "rollout": "own"}

    assert await one_name(tmp_path, text, values) == name


async def test_the_default_files_are_manifests_and_their_templates(tmp_path):
    names = [
        "a.yaml",
        "b.yml.j2",
        "c.json",
        "d/e.yaml.jinja",
        "f.txt",
        "_g.yaml",
        ".h.yaml",
        "i.j2",
    ]
    files = {name: a_map(name[0].strip("._") or "x") for name in names}
    files["c.json"] = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}'
    found = await rendered(tmp_path, files)

    assert [one.key for one in found] == ["a.yaml", "b.yml.j2", "c.json", "d/e.yaml.jinja"]
    assert found.inputs == ("a.yaml", "b.yml.j2", "c.json", "d/e.yaml.jinja")


async def test_files_are_chosen_by_globs(tmp_path):
    files = {name: a_map(name[0]) for name in ("a.tpl", "b.tpl", "sub/c.tpl")}
    found = await rendered(tmp_path, files, files=["**/*.tpl"], exclude=["b*"])

    assert [one.key for one in found] == ["a.tpl", "sub/c.tpl"]


@pytest.mark.parametrize("name", ["none.yaml", "../x.yaml", "/etc/passwd"])
async def test_a_file_that_is_named_must_be_there(tmp_path, name):
    with pytest.raises(RenderError, match="source"):
        await rendered(tmp_path, {}, files=[name])


async def test_includes_imports_and_parents_lie_in_the_source(tmp_path):
    files = {
        "lib/_base.yaml": a_map("{% block name %}{% endblock %}"),
        "lib/_macros.yaml": "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}",
        "lib/_suffix.txt": "-z",
        "lib/a.yaml": "{% extends './_base.yaml' %}{% from 'lib/_macros.yaml' import twice %}"
        "{% block name %}{{ twice('a') }}{% include '_suffix.txt' %}{% endblock %}",
    }
    found = await rendered(tmp_path, files)

    assert [one.ref.name for one in found] == ["aa-z"]
    assert found.inputs == ("lib/_base.yaml", "lib/_macros.yaml", "lib/_suffix.txt", "lib/a.yaml")


async def test_delimiters_can_be_chosen(tmp_path):
    options = {"delimiters": {"variable": ["[[", "]]"], "block": ["<%", "%>"]}}

    assert await one_name(tmp_path, "<% if a %>[[ a ]]<% endif %>", {"a": "x"}, **options) == "x"


@pytest.mark.parametrize("pair", [["{{", "{{"], ["", "}}"], [" {", "}"]])
def test_delimiters_are_two_different_texts(pair):
    with pytest.raises(ValueError, match=r"delimiters\.variable|two different"):
        Jinja.model_validate({"delimiters": {"variable": pair}})


async def test_origins_are_lines_of_the_templates(tmp_path):
    text = "{# c #}\n{% for name in values.names %}\n---\n" + a_map("{{ name }}") + "{% endfor %}\n"
    files = {"a.yaml": text + "---\n{% include '_b.yaml' %}", "_b.yaml": "\n" + a_map("b")}
    found = await rendered(tmp_path, files, {"names": ["x", "z"]})

    assert [(one.ref.name, str(one.origin)) for one in found] == [
        ("x", "a.yaml:4"),
        ("z", "a.yaml:4"),
        ("b", "_b.yaml:2"),
    ]
    assert [one.key for one in found] == ["a.yaml", "a.yaml#2", "a.yaml#3"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ nope }}", "a.yaml:1: 'nope' is undefined"),
        ("\n\n{{ values.a.b }}", "a.yaml:3: 'dict object' has no attribute 'b'"),
        ("\n{% if nope %}{% endif %}", "a.yaml:2: 'nope' is undefined"),
        ("\n{% if %}", "a.yaml:2: Expected an expression"),
        ("x\n{% endif %}", "a.yaml:2: Encountered unknown tag 'endif'"),
        ("\n{% include 'nope.yaml' %}", "a.yaml:2: no template 'nope.yaml' in the source"),
        ("\n{{ 1 / 0 }}", "a.yaml:2: division by zero"),
        ("\n{{ values.items() }}", "a.yaml:2: a dict_items cannot be printed"),
        ("{{ 'x' | nope }}", "a.yaml:1: No filter named 'nope'"),
        ("{% include '_bad.yaml' %}", "_bad.yaml:2: 'gone' is undefined"),
    ],
)
async def test_errors_have_their_file_and_line(tmp_path, text, said):
    """RE-10."""
    files = {"a.yaml": text, "_bad.yaml": "\n{{ gone }}"}

    assert (await failure(tmp_path, files, {"a": {}})).startswith(f"jinja failed: {said}")


async def test_every_template_that_fails_is_told(tmp_path):
    message = await failure(tmp_path, {"a.yaml": "{{ x }}", "b.yaml": "{{ y }}", "c.yaml": ""})

    assert message == (
        "jinja failed: 2 problems in the templates:\n"
        "  a.yaml:1: 'x' is undefined\n  b.yaml:1: 'y' is undefined"
    )


async def test_yaml_that_cannot_be_read_names_template_and_rendered_line(tmp_path):
    text = "{% for n in [1, 2] %}\na: {{ n }}\n{% endfor %}\n"
    with pytest.raises(InvalidDocument) as caught:
        await rendered(tmp_path, {"a.yaml": text})

    assert caught.value.message.startswith("a.yaml:2: ")
    assert "line 4 of what it renders: 'a: 2'" in caught.value.message


async def test_a_rendered_line_of_a_secret_is_not_quoted(tmp_path):
    text = "kind: Secret\ndata:\n  a: b: {{ password }}\n"
    message = await failure(tmp_path, {"a.yaml": text}, {"password": "hunter22"})

    assert message.startswith("a.yaml:3: ")
    assert "hunter22" not in message


async def test_errors_do_not_show_secrets(tmp_path):
    message = await failure(tmp_path, {"a.yaml": "{{ {}[password] }}"}, {"password": "hunter22"})

    assert "***" in message
    assert "hunter22" not in message


async def test_what_is_no_object_is_told_with_its_line(tmp_path):
    with pytest.raises(InvalidManifests) as caught:
        await rendered(tmp_path, {"a.yaml": "{# c #}\n\na: {{ 1 }}\n"})

    assert caught.value.problems[0].where == "a.yaml:3"


async def test_twins_name_both_templates(tmp_path):
    message = await failure(tmp_path, {"a.yaml": a_map("x"), "b.yaml": a_map("x")})

    assert "a.yaml:1" in message
    assert "b.yaml:1" in message


async def test_templates_with_a_name_are_defined_and_applied(tmp_path):
    """TRE-72."""
    files = {
        "z/define.tmpl.yaml": "define:\n- {name: map, path: _map.yaml, defaults: {a: 1, b: 1}}\n",
        "z/_map.yaml": a_map(
            "{{ values.name }}",
            "data: {a: '{{ values.a }}', b: '{{ values.b }}', r: '{{ region }}'}",
        ),
        "apply.tmpl.yaml": "apply:\n- {name: map, values: {name: p}}\n"
        "- {name: map, values: {name: q, b: 2}}\n",
    }
    found = await rendered(tmp_path, files, {"region": "eu"})

    assert [(one.key, one.body["data"]) for one in found] == [
        ("apply.tmpl.yaml/map", {"a": "1", "b": "1", "r": "eu"}),
        ("apply.tmpl.yaml/map-2", {"a": "1", "b": "2", "r": "eu"}),
    ]
    assert str(found.manifests[0].origin) == "z/_map.yaml:1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apply: [{name: none}]", "a.tmpl.yaml:1: no template 'none' is defined; known: one"),
        ("\ndefine: [{name: one, path: x}]", "the template 'one' is defined already"),
        ("apply:\n- {nam: x}", "a.tmpl.yaml:2: apply[0]: expected a mapping of name, values"),
        ("define: [{name: x}]", "a.tmpl.yaml:1: define[0].path: expected a text"),
        ("define: 1", "define: expected a list"),
        ("[]", "expected a mapping with define and apply"),
        ("apply: [{name: one, values: 1}]", "apply values: expected a mapping"),
        ("a: [", "a.tmpl.yaml:"),
    ],
)
async def test_mistakes_in_definitions_are_told(tmp_path, text, said):
    files = {"0.tmpl.yaml": "define: [{name: one, path: _x.yaml}]", "a.tmpl.yaml": text}

    assert said in await failure(tmp_path, files)


async def test_the_same_tree_gives_the_same_objects(tmp_path):
    """RE-05."""
    text = a_map("x", "data: {a: {{ values | to_json_yaml_str }}}")
    values = {key: {"x": key} for key in "zyxabc"}
    first = await rendered(tmp_path, {"a.yaml": text}, values)

    assert [one.body for one in first] == [
        one.body for one in await rendered(tmp_path, {"a.yaml": text}, values)
    ]


@pytest.mark.parametrize("text", ["{{ [1, 2] | random }}", "{{ lipsum() }}"])
async def test_nothing_is_random(tmp_path, text):
    assert "a.yaml:1" in await failure(tmp_path, {"a.yaml": text})
