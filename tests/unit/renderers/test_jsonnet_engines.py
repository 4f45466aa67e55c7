"""Three engines for jsonnet: one result, one form of errors, one fence."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollwright.errors import RenderError, RolloutError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.jsonnet import ENGINES, Jsonnet

OLDER = Path(__file__).parents[2] / "older" / "inputs"
VALUES: dict[str, Any] = {
    "jsonnet": {},
    "jsonnet-with-config": {"name": "given", "namespace": "there"},
    "jsonnet-with-crd-as-config": {
        "metadata": {"name": "main", "namespace": "a", "uid": "u"},
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Grafana",
        "spec": {"replicas": 50},
    },
}
RICH = """
local lib = import 'lib/base.libsonnet';
local values = std.extVar('values');
local named(name) = lib.map(name, {
  text: std.format('%03d %s %.2f', [7, 'x', 1.5]),
  list: std.join(',', std.map(function(x) '' + x * 0.5, std.range(1, 5))),
  encoded: std.base64('abc'), unicode: 'ä€😀', digest: std.md5('a'), lines: |||
    one
      two
  |||,
  config: std.manifestJsonEx({ b: 1, a: [true, null, 'x'] }, '  '),
  [if values.more then 'extra']: std.asciiUpper('more'),
  raw: importstr 'lib/raw.txt',
});
{
  objects: { a: named('a'), deep: { b: named('b') + { data+: { list:: null } } }, none: null },
}
"""


def a_tree(root: Path) -> None:
    (root / "lib").mkdir()
    (root / "lib" / "base.libsonnet").write_text(
        "{ map(name, data):: {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: name},"
        " data: data} }"
    )
    (root / "lib" / "raw.txt").write_text("ä raw\ntext\n")


async def rendered(
    root: Path, engine: str, values: Any = None, *, data: Any = None, **options: Any
):
    request = RenderRequest(
        checkout=Checkout(root=root, revision="path@sha256:0"),
        values=values or {},
        data=data or {},
        timeout=timedelta(seconds=20),
    )
    return await Jsonnet.model_validate({"engine": engine, **options}).render(request)


async def failure(root: Path, engine: str, text: str, **options: Any) -> str:
    (root / "main.jsonnet").write_text(text)
    with pytest.raises(RolloutError) as caught:
        await rendered(root, engine, **options)
    return caught.value.message


def bodies(found: Any) -> list[Any]:
    return [(one.key, one.body) for one in found]


@pytest.mark.parametrize("case", VALUES)
async def test_the_engines_agree_on_the_examples(case):
    sets = [await rendered(OLDER / case, engine, VALUES[case]) for engine in ENGINES]

    assert bodies(sets[0]) == bodies(sets[1]) == bodies(sets[2])
    assert sets[0].rollout == sets[1].rollout == sets[2].rollout
    assert sets[0].inputs == sets[1].inputs == sets[2].inputs


@pytest.mark.parametrize("more", [True, False])
async def test_the_engines_agree_on_the_language(tmp_path, more):
    a_tree(tmp_path)
    (tmp_path / "main.jsonnet").write_text(RICH)
    sets = [await rendered(tmp_path, engine, {"more": more}) for engine in ENGINES]

    assert [one.key for one in sets[0]] == ["a", "deep/b"]
    assert bodies(sets[0]) == bodies(sets[1]) == bodies(sets[2])
    assert sets[0].inputs == sets[1].inputs == sets[2].inputs


async def test_go_is_the_default():
    assert Jsonnet().engine == "gojsonnet"


async def test_an_engine_that_is_not_installed_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rjsonnet", None)
    with pytest.raises(RenderError, match="engine 'rjsonnet' is not installed") as caught:
        await rendered(tmp_path, "rjsonnet")

    assert "rollwright[rjsonnet]" in (caught.value.hint or "")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{\n  a: error 'no luck',\n}", "main.jsonnet:2: no luck"),
        ("{a: error 'one\\n\\ttwo\\n    three'}", "main.jsonnet:1: one two three"),
        ("{\n  a: 1", "main.jsonnet:2: "),
        ("{\n  a: import 'lib/bad.libsonnet' }", "lib/bad.libsonnet:3: "),
        ("{\n\n  a: (import 'lib/deep.libsonnet').a }", "lib/deep.libsonnet:2: inner"),
        ("\nimport 'none.libsonnet'", "main.jsonnet:2: couldn't open import"),
        ("\n{a: importstr '/etc/passwd'}", "main.jsonnet:2: couldn't open import"),
        ("local f(x) = f(x + 1) + 1; f(1)", "main.jsonnet:1: "),
    ],
)
async def test_errors_have_their_file_and_line(tmp_path, engine, text, said):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "bad.libsonnet").write_text("{\n  a: 1,\n  b: [")
    (tmp_path / "lib" / "deep.libsonnet").write_text("\n{ a: error 'inner' }")

    assert (await failure(tmp_path, engine, text)).startswith(f"jsonnet failed: {said}")


@pytest.mark.parametrize("engine", ENGINES)
async def test_errors_do_not_show_secrets(tmp_path, engine):
    text = "local db = std.extVar('values').db; error db.host + ' ' + db.password"
    values = {"db": {"password": "hunter22", "host": "db-1"}}

    assert (await failure(tmp_path, engine, text, values=values)).endswith("db-1 ***")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("word", ["import", "importstr", "importbin"])
@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../etc/passwd", "link", "a/link"])
async def test_nothing_outside_of_the_source_is_read(tmp_path, engine, word, path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "a" / "link").symlink_to("../link")
    message = await failure(tmp_path, engine, f"{{a: {word} '{path}'}}")

    assert "couldn't open import" in message
    assert "root:" not in message


@pytest.mark.parametrize("engine", ENGINES)
async def test_imports_of_a_file_in_a_folder_are_beside_it(tmp_path, engine):
    a_tree(tmp_path)
    (tmp_path / "app").mkdir()
    text = "(import '../lib/base.libsonnet').map(importstr 'name.txt', {})"
    (tmp_path / "app" / "main.jsonnet").write_text(text)
    (tmp_path / "app" / "name.txt").write_text("x")
    found = await rendered(tmp_path, engine, entrypoint="app/main.jsonnet")

    assert [one.ref.name for one in found] == ["x"]
    assert found.inputs == ("app/main.jsonnet", "app/name.txt", "lib/base.libsonnet")


@pytest.mark.parametrize("engine", ENGINES)
async def test_deep_calls_do_not_abort(tmp_path, engine):
    text = "local f(n) = if n == 0 then 0 else 1 + f(n - 1); error '' + f(1900)"

    assert "1900" in await failure(tmp_path, engine, text, maxStack=4000)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["rollwright/config", "generic-operator/config"])
async def test_the_configuration_has_two_names(tmp_path, engine, name):
    text = f"(import '{name}').map"
    (tmp_path / "main.jsonnet").write_text(text)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}

    assert bodies(await rendered(tmp_path, engine, {"map": body})) == [("ConfigMap/x", body)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("prefix", ["rollwright-runtime", "locutus-runtime"])
async def test_runtime_data_is_imported_by_its_name(tmp_path, engine, prefix):
    (tmp_path / "main.jsonnet").write_text(
        "[{apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: one.name}}"
        f" for one in (import '{prefix}/grafanas/list') + (import '{prefix}/rows')]"
    )
    data = {"grafanas/list": [{"name": "a"}], "rows": [{"name": "b"}]}
    found = await rendered(tmp_path, engine, data=data)

    assert [one.ref.name for one in found] == ["a", "b"]
    assert found.inputs == ("main.jsonnet",)


async def test_unknown_runtime_data_names_the_known(tmp_path):
    text = "import 'rollwright-runtime/row'"
    message = await failure(tmp_path, "gojsonnet", text, data={"rows": [], "maps/list": []})

    assert message.endswith("no such runtime data; known: maps/list, rows")


@pytest.mark.parametrize(
    ("entrypoint", "keys"),
    [
        (".", ["ConfigMap/b", "a/one"]),
        ("*.jsonnet", ["ConfigMap/b", "a/one"]),
        ("sub", ["sub/c/three"]),
        ("**/*.jsonnet", ["ConfigMap/b", "a/one", "sub/c/three", "sub/deep/d/four"]),
        ("sub/**", ["sub/c/three", "sub/deep/d/four"]),
        ("[!b]*.jsonnet", ["a/one"]),
    ],
)
async def test_a_folder_or_a_glob_means_each_of_its_files(tmp_path, entrypoint, keys):
    """RE-16."""
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "no.jsonnet").write_text("error 'a library'")
    for place, text in (
        ("a", "{one: MAP}"), ("b", "[MAP]"), ("sub/c", "{three: MAP}"), ("sub/deep/d", "{four: MAP}"),
    ):  # fmt: skip
        name = place.rpartition("/")[2]
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        (tmp_path / f"{place}.jsonnet").write_text(text.replace("MAP", json.dumps(body)))
    found = await rendered(tmp_path, "gojsonnet", entrypoint=entrypoint)

    assert sorted(one.key for one in found) == keys


async def test_an_error_of_one_file_of_a_folder_names_it(tmp_path):
    (tmp_path / "a.jsonnet").write_text("{}")
    message = await failure(tmp_path, "gojsonnet", "error 'this'", entrypoint=".")

    assert message == "jsonnet failed: main.jsonnet:1: this"


@pytest.mark.parametrize("entrypoint", [".", "*.jsonnet", "none/*.jsonnet"])
async def test_a_folder_without_files_is_an_error(tmp_path, entrypoint):
    with pytest.raises(RenderError, match="no jsonnet file in the source"):
        await rendered(tmp_path, "gojsonnet", entrypoint=entrypoint)
