"""Scripted trees: the walk, what folders pass on, templates, charts, and scripts that are run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollwright.errors import RenderError, RolloutError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.plugins.registry import Registry
from rollwright.renderers.tree.renderer import ScriptedTree, Tree

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n"
SCRIPT = ".kubernator.py"


def a_map(name: str, data: str = "") -> str:
    return MAP.replace("NAME", name) + data


async def rendered(
    root: Path, files: dict[str, str], values: Any = None, kind=Tree, **options: Any
):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    request = RenderRequest(
        checkout=Checkout(root=root, revision="path@sha256:0"),
        values=values or {},
        rollout="shop",
        namespace="front",
        timeout=timedelta(seconds=30),
    )
    return await kind.model_validate(options).render(request)


async def names(root: Path, files: dict[str, str], values: Any = None, kind=Tree) -> list[str]:
    return [one.ref.name for one in await rendered(root, files, values, kind)]


async def failure(root: Path, files: dict[str, str], values: Any = None, kind=Tree) -> str:
    with pytest.raises(RolloutError) as caught:
        await rendered(root, files, values, kind)
    return caught.value.message


def test_a_document_can_ask_for_the_tree_and_not_for_python():
    assert Registry().find("renderers", "tree") is Tree
    assert not Tree.runs_python
    assert all(
        one.where != f"{ScriptedTree.__module__}:ScriptedTree" for one in Registry().listing()
    )


async def test_the_walk_has_its_order(tmp_path):
    """TRE-7 to TRE-11, TRE-14: the example of the older system."""
    folders = ["", "foo/", "bal/", "bar/", "baz/", "bar/n1/", "bar/n2/", "z/"]
    files = {f"{one}m.yaml": a_map(one.strip("/").replace("/", "-") or "top") for one in folders}
    files[SCRIPT] = (
        "ktor.app.excludes.add('f*')\nktor.app.includes.add_first('baz')\nktor.app.walk_local('z')"
    )
    found = await names(tmp_path, files)

    # The second visit of z gives the same object (TRE-27).
    assert found == ["top", "z", "baz", "bal", "bar", "bar-n1", "bar-n2"]


async def test_values_reach_the_folders_below_only(tmp_path):
    """TRE-15 to TRE-18."""
    files = {
        SCRIPT: "ktor.ns = {'x': 'a'}\nktor.items = ['i']",
        "one/" + SCRIPT: "ktor.ns.x = 'b'\nktor.items.append('j')\nktor.own = 'o'",
        "one/deep/m.yaml": a_map("{${ ktor.ns.x ~ ktor.items | join ~ ktor.own }$}"),
        "two/m.yaml": a_map("{${ ktor.ns.x ~ ktor.items | join ~ ktor.own | default('-') }$}"),
    }

    assert await names(tmp_path, files) == ["bijo", "ai-"]


async def test_patterns_start_anew_in_each_folder(tmp_path):
    """TRE-13."""
    files = {
        SCRIPT: "ktor.k8s.excludes.add('a*')\nktor.k8s.default_excludes.add('b*')",
        **{f"{folder}{name}.yaml": a_map(f"{name}{folder.strip('/')}")
           for folder in ("", "one/") for name in ("a", "b", "c")},
    }  # fmt: skip

    assert await names(tmp_path, files) == ["b", "c", "aone", "cone"]


async def test_a_default_changed_in_a_folder_is_not_seen_beside_it(tmp_path):
    """TRE-N2."""
    files = {
        "one/" + SCRIPT: "ktor.app.default_excludes.add('x')",
        **{f"{folder}/x/m.yaml": a_map(f"{folder}-x") for folder in ("one", "one/d", "two")},
    }
    files = {
        name: text.replace("/", "-") if name != "one/" + SCRIPT else text
        for name, text in files.items()
    }

    assert await names(tmp_path, files) == ["one-x", "two-x"]


async def test_with_keep_context_a_folder_uses_that_of_its_caller(tmp_path):
    """TRE-14."""
    files = {
        SCRIPT: "ktor.app.excludes.add('lib')\nktor.app.walk_local('lib', keep_context=True)\nktor.a = 'x'",
        "lib/" + SCRIPT: "ktor.a = 'changed'",
        "sub/m.yaml": a_map("{${ ktor.a }$}"),
    }

    assert await names(tmp_path, files) == ["changed"]


async def test_the_config_is_values_of_ktor(tmp_path):
    files = {"m.yaml": a_map("{${ ktor.region }$}-{${ ktor.db.host }$}-{${ ktor.rollout }$}")}

    assert await names(tmp_path, files, {"region": "eu", "db": {"host": "h"}}) == ["eu-h-shop"]


async def test_the_config_does_not_replace_plugins(tmp_path):
    assert "'k8s' is a name of the tree's own" in await failure(tmp_path, {}, {"k8s": 1})


async def test_a_template_is_defined_in_one_folder_and_applied_in_another(tmp_path):
    """TRE-72."""
    files = {
        SCRIPT: "ktor.app.register_plugin('k8s')\nktor.app.register_plugin('templates')",
        "define.tmpl.yaml": "define:\n- {name: test, path: .test.tmpl.yaml, defaults: {b: one}}",
        ".test.tmpl.yaml": a_map("{${ values.name }$}", "data: {b: '{${ values.b }$}'}"),
        "apply/apply.tmpl.yaml": "apply:\n- {name: test, values: {name: ns1}}\n",
    }
    [found] = await rendered(tmp_path, files)

    assert (found.ref.name, found.body["data"]) == ("ns1", {"b": "one"})
    assert (found.key, str(found.origin)) == ("apply/apply.tmpl.yaml/test", ".test.tmpl.yaml:1")


async def test_scripts_apply_templates_and_add_objects(tmp_path):
    files = {
        "a.tmpl.yaml": "define: [{name: t, path: .t.yaml}]",
        ".t.yaml": a_map("{${ values.n }$}"),
        "raw.txt": a_map("raw"),
        "sub/" + SCRIPT: (
            "ktor.templates.apply_template('t', {'n': 'applied'})\n"
            "ktor.k8s.add_resources(ktor.templates.render_template('t', 'x', {'n': 'text'}))\n"
            "ktor.k8s.add_resources({'apiVersion': 'v1', 'kind': 'ConfigMap',"
            " 'metadata': {'name': 'value'}})\n"
            "ktor.k8s.load_resources('../raw.txt', 'yaml')\n"
        ),
    }

    assert await names(tmp_path, files) == ["applied", "text", "value", "raw"]


async def test_loaded_files_are_not_rendered(tmp_path):
    files = {
        "raw.txt": a_map("x", "data: {a: '{${ nope }$}'}"),
        SCRIPT: "ktor.k8s.load_resources('raw.txt')",
    }
    [found] = await rendered(tmp_path, files)

    assert found.body["data"] == {"a": "{${ nope }$}"}


async def test_a_bare_equals_sign_is_a_text(tmp_path):
    """TRE-31."""
    [found] = await rendered(tmp_path, {"m.yaml": a_map("x", "data: {a: =}")})

    assert found.body["data"] == {"a": "="}


async def test_an_object_twice_must_be_the_same(tmp_path):
    """TRE-27."""
    message = await failure(tmp_path, {"a.yaml": a_map("x"), "b.yaml": a_map("x", "data: {}")})

    assert "b.yaml:1: resource ConfigMap/x already exists and was added from a.yaml:1" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ktor.app.register_plugin('k8s', field_validation='Ignore')", "the rollout decides"),
        ("ktor.app.register_plugin('k8s', nope=1)", "has no argument 'nope'"),
        ("ktor.app.register_plugin('nope')", "no plugin 'nope'; known: helm, k8s"),
        ("ktor.app.register_plugin('eks', name='a')", "spec.target"),
        ("ktor.app.register_plugin('kind')", "rollwright sandbox"),
        ("ktor.app.register_plugin('istio')", "it runs istioctl"),
        ("ktor.app.register_plugin('terraform')", "it runs terraform"),
        ("ktor.app.register_plugin('k8s', field_validation='Warn'); ktor.app.register_plugin('k8s')",
         "registered already, with other arguments"),
        ("ktor.app.walk_remote('git://x', '/y')", "rendering has no network"),
        ("ktor.app.run(['touch', 'x'])", "rendering runs no program"),
        ("ktor.k8s.get_api_versions()", "rendering sees no cluster"),
        ("ktor.app.walk_local('../../x')", "leads out of the source"),
        ("ktor.app.walk_local('/etc')", "leads out of the source"),
        ("ktor.app.walk_local('none')", "not in the source"),
        ("ktor.app.walk_local('m.yaml')", "is no folder"),
        ("ktor.k8s.load_resources('none.yaml')", "no file 'sub/none.yaml'"),
        ("ktor.templates.apply_template('none')", "no template 'none' is defined"),
        ("ktor.app.project = 'a'", "there is no project"),
        ("ktor.globals.app.default_excludes.add('a')", "cannot be changed"),
        ("import os", "an import needs Python"),
    ],
)  # fmt: skip
async def test_what_a_script_may_not_is_told_with_its_line(tmp_path, text, said):
    message = await failure(tmp_path, {"sub/" + SCRIPT: f"\n{text}\n", "sub/m.yaml": "{}"})

    assert message.startswith("tree failed: sub/.kubernator.py:")
    assert said in message


async def test_the_same_registration_again_is_skipped(tmp_path):
    """TRE-4."""
    files = {
        SCRIPT: "ktor.app.register_plugin('k8s')",
        "a/" + SCRIPT: "ktor.app.register_plugin('k8s')",
    }

    assert await names(tmp_path, {**files, "a/m.yaml": a_map("x")}) == ["x"]


async def test_a_plugin_that_was_registered_later_ends_first(tmp_path):
    """TRE-2."""
    files = {
        SCRIPT: "ktor.app.register_plugin('templates')\nktor.app.register_plugin('k8s')",
        "a.tmpl.yaml": "define: [{name: t, path: .t.yaml}]\napply: [{name: t}]",
        ".t.yaml": a_map("template"),
        "z.yaml": a_map("manifest"),
    }

    assert await names(tmp_path, files) == ["manifest", "template"]


async def test_a_project_has_a_segment_for_each_folder(tmp_path):
    """TRE-57."""
    files = {
        SCRIPT: "ktor.app.register_plugin('project', name='demo')",
        "m.yaml": a_map("top"),
        "a/" + SCRIPT: "ktor.app.project = 'alpha'",
        "a/m.yaml": a_map("alpha"),
        "a/b/" + SCRIPT: "ktor.app.project = 'beta'",
        "a/b/m.yaml": a_map("beta"),
        "c/m.yaml": a_map("other"),
    }
    found = await rendered(tmp_path, files)

    assert [one.annotations["kubernator.io/project"] for one in found] == [
        "demo", "demo.alpha", "demo.alpha.beta", "demo",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["ktor.app.project = 'a b'", "ktor.app.project = 'a'\n" * 2])
async def test_a_segment_is_a_word_and_is_assigned_once(tmp_path, text):
    files = {SCRIPT: f"ktor.app.register_plugin('project', name='demo')\n{text}"}

    assert "project" in await failure(tmp_path, files)


async def test_every_mistake_of_a_tree_is_told(tmp_path):
    files = {"a.yaml": a_map("{${ x }$}"), "b.yaml": a_map("b") + "a: [", "c/d.yaml": "a: 1\n"}
    message = await failure(tmp_path, files)

    assert "a.yaml:3: 'x' is undefined" in message
    assert "b.yaml" in message
    assert "c/d.yaml:1" in message


async def test_a_part_of_a_tree_can_be_walked(tmp_path):
    files = {
        "a/b/m.yaml": a_map("x"),
        "a/" + SCRIPT: "ktor.app.walk_local('../c')",
        "c/m.yaml": a_map("c"),
    }

    assert [one.key for one in await rendered(tmp_path, files, path="a")] == [
        "c/m.yaml",
        "a/b/m.yaml",
    ]


async def test_a_walk_without_end_is_ended(tmp_path):
    assert "more than 100 folders deep" in await failure(
        tmp_path, {SCRIPT: "ktor.app.walk_local('.')"}
    )


async def test_python_is_run_where_the_site_lists_it(tmp_path):
    """TRE-26, TRE-29."""
    files = {
        SCRIPT: (
            "def late(resources, r):\n"
            "    r.manifest['data'] = {'n': str(len(resources)), 'first': r.source}\n"
            "def early(resources, r):\n    assert 'data' not in r.manifest\n"
            "def patch(manifest, description):\n    manifest['metadata']['labels'] = {'a': 'b'}\n"
            "ktor.k8s.add_transformer(late)\nktor.k8s.add_transformer(early)\n"
            "ktor.k8s.add_manifest_patcher(patch)\n"
            "ktor.k8s.add_resource_filter(lambda r: r.name != 'b')\n"
        ),
        "m.yaml": "---\n".join(a_map(name) for name in "abc"),
    }
    found = await rendered(tmp_path, files, kind=ScriptedTree)

    assert [one.body["data"] for one in found] == [
        {"n": "0", "first": "m.yaml:1"},
        {"n": "2", "first": "m.yaml:9"},
    ]
    assert all(one.labels == {"a": "b"} for one in found)


async def test_validators_tell_everything(tmp_path):
    """TRE-30, TRE-N12."""
    script = "def check(resources, r, error):\n    yield error('%s is bad', r.name)\nktor.k8s.add_validator(check)"
    message = await failure(
        tmp_path, {SCRIPT: script, "m.yaml": a_map("a") + "---\n" + a_map("b")}, kind=ScriptedTree
    )

    assert "a is bad" in message
    assert "b is bad" in message


async def test_the_identity_of_an_object_does_not_change(tmp_path):
    """TRE-30."""
    script = "def rename(resources, r):\n    r.name = 'z'\nktor.k8s.add_transformer(rename)"
    files = {SCRIPT: script, "m.yaml": a_map("a")}

    assert "ConfigMap/a was changed to ConfigMap/z" in await failure(
        tmp_path, files, kind=ScriptedTree
    )


@pytest.mark.parametrize("text", ["1 / 0", "raise SystemExit(1)", "def f(:"])
async def test_an_error_of_a_script_has_its_line(tmp_path, text):
    message = await failure(tmp_path, {SCRIPT: f"\n\n{text}\n"}, kind=ScriptedTree)

    assert message.startswith("tree failed: .kubernator.py:3: ")


async def test_a_chart_of_the_tree_is_rendered_at_its_place(tmp_path):
    """TRE-67."""
    files = {
        SCRIPT: "ktor.app.excludes.add('charts')\nktor.size = 3",
        "a.yaml": a_map("a"),
        "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
        "charts/web/templates/m.yaml": a_map(
            "{{ .Release.Name }}-{{ .Values.size }}-{{ .Values.own }}"
        ),
        "b/web.helm.yaml": "chart: ../charts/web\nname: rel\nnamespace: back\n"
        "values: {size: {${ ktor.size }$}, own: x}\n",
        "c/m.yaml": a_map("c"),
    }
    found = await rendered(tmp_path, files)

    assert [(one.ref.name, one.ref.namespace) for one in found] == [
        ("a", ""), ("rel-3-x", "back"), ("c", ""),
    ]  # fmt: skip
    assert "charts/web/templates/m.yaml" in found.inputs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chart: x\nname: a", "namespace: missing"),
        ("chart: x\nname: a\nnamespace: b\nnope: 1", "unknown field 'nope'"),
        ("chart: x\nname: a\nnamespace: b\nvalues: {}\nvalues-file: c", "exclude each other"),
        ("chart: x\nname: a\nnamespace: b\nrepository: https://x", "needs a version"),
        ("chart: oci://x/a\nname: a\nnamespace: b\nrepository: https://x\nversion: '1'", "has no repository"),
        ("- a", "expected a mapping that names a chart"),
        ("chart: ../../x\nname: a\nnamespace: b", "leads out of the source"),
    ],
)  # fmt: skip
async def test_mistakes_in_charts_are_told(tmp_path, text, said):
    """TRE-64."""
    message = await failure(tmp_path, {"a/x.helm.yaml": text})

    assert message.startswith("tree failed: a/x.helm.yaml")
    assert said in message


async def test_a_file_is_no_tree(tmp_path):
    with pytest.raises(RenderError, match="a tree needs a folder"):
        await rendered(tmp_path, {"m.yaml": a_map("x")}, path="m.yaml")
