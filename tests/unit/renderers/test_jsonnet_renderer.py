"""Jsonnet: what it may read, what it may yield, how it ends, and what it says then."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollwright.errors import InvalidManifests, RenderError, RolloutError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers import child
from rollwright.renderers.jsonnet import Jsonnet

MAP = "{apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: NAME}}"
ROLLOUT = "{metadata: {name: 'r'}, spec: {groups: [{steps: [{object: 'a', action: 'Apply'}]}]}}"


def a_map(name: str) -> str:
    return MAP.replace("NAME", name)


ENDLESS = "local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1); f(60)"
X, Y, Z = a_map("'x'"), a_map("'y'"), a_map("'z'")


async def rendered(
    root: Path, text: str, values: Any = None, *, seconds: float = 60, **options: Any
):
    (root / "main.jsonnet").write_text(text)
    request = RenderRequest(
        checkout=Checkout(root=root, revision="path@sha256:0"),
        values=values or {},
        timeout=timedelta(seconds=seconds),
    )
    return await Jsonnet.model_validate(options).render(request)


async def keys(root: Path, text: str, **options: Any) -> list[str]:
    return [one.key for one in await rendered(root, text, **options)]


async def names(root: Path, text: str, values: Any = None, **options: Any) -> list[str]:
    return [one.ref.name for one in await rendered(root, text, values, **options)]


async def failure(root: Path, text: str, values: Any = None, **options: Any) -> str:
    with pytest.raises(RolloutError) as caught:
        await rendered(root, text, values, **options)
    return caught.value.message


async def test_a_map_gives_the_keys(tmp_path):
    found = await keys(tmp_path, f"{{b: {X}, 'a.yaml': {Y}}}")

    assert found == ["a.yaml", "b"]


async def test_maps_in_maps_are_flattened(tmp_path):
    found = await keys(tmp_path, f"{{a: {{b: {X}, c: {{d: {Y}}}}}}}")

    assert found == ["a/b", "a/c/d"]


async def test_a_list_gives_identities(tmp_path):
    found = await keys(tmp_path, f"[{X}, [{Y}], {{k: {Z}}}]")

    assert found == ["ConfigMap/x", "ConfigMap/y", "ConfigMap/z"]


async def test_one_object_is_enough(tmp_path):
    assert await keys(tmp_path, X) == ["ConfigMap/x"]


async def test_what_a_condition_left_out_is_no_object(tmp_path):
    assert await keys(tmp_path, f"{{a: null, b: [if false then 1], c: {X}}}") == ["c"]


@pytest.mark.parametrize("text", ["null", "{}", "[]", "{objects: {}}"])
async def test_nothing_is_nothing(tmp_path, text):
    assert await keys(tmp_path, text) == []


async def test_items_of_a_list_belong_to_its_key(tmp_path):
    items = f"[{X}, {Y}]"
    found = await rendered(tmp_path, f"{{a: {{apiVersion: 'v1', kind: 'List', items: {items}}}}}")

    assert [one.key for one in found] == ["a", "a#2"]
    assert [one.ref.name for one in found.named("a")] == ["x", "y"]


async def test_a_rollout_comes_with_its_objects(tmp_path):
    found = await rendered(tmp_path, f"{{objects: {{a: {X}}}, rollout: {ROLLOUT}}}")

    assert [one.key for one in found] == ["a"]
    assert (found.rollout or {})["apiVersion"] == "workflow.kubernetes.io/v1alpha1"


async def test_a_rollout_may_stand_among_the_objects(tmp_path):
    older = f"{ROLLOUT} + {{apiVersion: 'workflow.kubernetes.io/v1alpha1', kind: 'Rollout'}}"
    found = await rendered(tmp_path, f"{{a: {X}, order: {older}}}")

    assert [one.key for one in found] == ["a"]
    assert (found.rollout or {})["metadata"] == {"name": "r"}


async def test_a_rollout_with_mistakes_is_refused(tmp_path):
    text = f"{{objects: {{}}, rollout: {ROLLOUT.replace('action', 'aktion')}}}"

    assert "aktion: unknown field" in await failure(tmp_path, text)


async def test_two_rollouts_are_refused(tmp_path):
    older = f"{ROLLOUT} + {{apiVersion: 'workflow.kubernetes.io/v1alpha1', kind: 'Rollout'}}"

    assert "a second Rollout" in await failure(tmp_path, f"[{older}, {older}]")


async def test_fields_beside_objects_and_rollout_are_refused(tmp_path):
    message = await failure(tmp_path, f"{{objects: {{}}, rollout: {ROLLOUT}, extra: 1}}")

    assert "main.jsonnet extra: unknown field beside objects and rollout" in message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("1", "main.jsonnet: not a Kubernetes object: a number"),
        ("{a: {b: 'x'}}", "main.jsonnet: a/b: not a Kubernetes object: text"),
        ("{a: {kind: 'Pod'}}", "main.jsonnet: a apiVersion: missing"),
    ],
)
async def test_what_is_no_object_is_told_with_its_key(tmp_path, text, place):
    with pytest.raises(InvalidManifests) as caught:
        await rendered(tmp_path, text)

    assert str(caught.value.problems[0]).startswith(place)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{{a: {X}, b: {X}}}", "main.jsonnet: b: ConfigMap/x is declared twice; first at main.jsonnet: a"),
        (f"[{X}, [{X}]]", "main.jsonnet: [1][0]: ConfigMap/x is declared twice; first at main.jsonnet: [0]"),
        (f"{{a: {{b: {X}}}, c: [{X}]}}", "main.jsonnet: c[0]: ConfigMap/x is declared twice; first at main.jsonnet: a/b"),
    ],
)  # fmt: skip
async def test_an_object_twice_is_told_with_both_keys(tmp_path, text, told):
    assert told in await failure(tmp_path, text)


async def test_an_object_of_two_files_is_told_with_both(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonnet").write_text(f"{{one: {X}}}")
    request = RenderRequest(checkout=Checkout(root=tmp_path, revision="r"))
    with pytest.raises(InvalidManifests) as caught:
        await Jsonnet(entrypoint=".").render(request)

    assert [str(one) for one in caught.value.problems] == [
        "b.jsonnet: b/one: ConfigMap/x is declared twice; first at a.jsonnet: a/one"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("std.range(1, 1000)", "main.jsonnet: [0]: not a Kubernetes object: a number; so are 999 more items of the list"),
        ("{a: ['x', 'y']}", "main.jsonnet: a[0]: not a Kubernetes object: text; so is 1 more item of the list"),
        ("['x']", "main.jsonnet: [0]: not a Kubernetes object: text"),
    ],
)  # fmt: skip
async def test_a_list_of_something_else_is_one_problem_with_a_count(tmp_path, text, told):
    with pytest.raises(InvalidManifests) as caught:
        await rendered(tmp_path, text)

    assert [str(one) for one in caught.value.problems] == [told]
    assert caught.value.hint is None


@pytest.mark.parametrize(
    "read",
    [
        "std.extVar('values').name",
        "(import 'generic-operator/config').name",
        "std.parseJson(importstr 'generic-operator/config').name",
    ],
)
async def test_the_values_are_at_hand(tmp_path, read):
    assert await names(tmp_path, a_map(read), {"name": "given"}) == ["given"]


async def test_without_values_the_configuration_is_empty(tmp_path):
    text = a_map("({name: 'x'} + import 'generic-operator/config').name")

    assert await names(tmp_path, text) == ["x"]


async def test_a_document_may_name_its_own_values(tmp_path):
    found = await names(tmp_path, a_map("std.extVar('values')"), extStr={"values": "own"})

    assert found == ["own"]


async def test_variables_are_text_or_code(tmp_path):
    text = a_map("std.extVar('a') + std.extVar('b').c")

    assert await names(tmp_path, text, extStr={"a": "x"}, extCode={"b": "{c: 'y'}"}) == ["xy"]


async def test_arguments_are_text_or_code(tmp_path):
    text = f"function(a, b) {a_map('a + b')}"

    assert await names(tmp_path, text, tlaStr={"a": "x"}, tlaCode={"b": "'%d' % 1"}) == ["x1"]


async def test_a_missing_argument_is_told(tmp_path):
    assert "main.jsonnet: Missing argument: a" in await failure(tmp_path, "function(a) a")


async def test_imports_are_found_beside_the_file_then_in_the_libraries(tmp_path):
    for place, name in (("lib", "own"), ("vendor", "vendored"), ("more", "more")):
        (tmp_path / place).mkdir()
        (tmp_path / place / f"{name}.libsonnet").write_text(f"'{name}'")
    (tmp_path / "vendor" / "own.libsonnet").write_text("'shadowed'")
    (tmp_path / "lib" / "all.libsonnet").write_text(
        "(import 'own.libsonnet') + (import 'vendored.libsonnet') + (import 'more.libsonnet')"
    )
    found = await rendered(tmp_path, a_map("import 'lib/all.libsonnet'"), jpaths=["vendor", "more"])

    assert [one.ref.name for one in found] == ["ownvendoredmore"]
    assert found.inputs == (
        "lib/all.libsonnet",
        "lib/own.libsonnet",
        "main.jsonnet",
        "more/more.libsonnet",
        "vendor/vendored.libsonnet",
    )


async def test_a_folder_above_is_fine_inside_of_the_source(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "name.txt").write_text("x")
    (tmp_path / "app" / "main.jsonnet").write_text(a_map("importstr '../name.txt'"))

    assert await names(tmp_path, "", entrypoint="app/main.jsonnet") == ["x"]


@pytest.mark.parametrize("word", ["import", "importstr", "importbin"])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/etc/passwd", "paths are relative to the source"),
        ("../../../../../../../../etc/passwd", "it leads out of the source"),
        ("link", "it leads out of the source"),
        ("folder/passwd", "it leads out of the source"),
        ("missing", "no such file in ."),
        ("loop", "no such file"),
    ],
)
async def test_imports_stay_in_the_source(tmp_path, word, path, why):
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    (tmp_path / "loop").symlink_to("loop")
    message = await failure(tmp_path, f"\n{{a: {word} '{path}'}}")

    assert message.startswith("jsonnet failed: main.jsonnet:2: couldn't open import")
    assert why in message or path == "loop"
    assert "root:" not in message


async def test_a_link_inside_of_the_source_is_followed(tmp_path):
    (tmp_path / "real.txt").write_text("x")
    (tmp_path / "link.txt").symlink_to("real.txt")

    assert await names(tmp_path, a_map("importstr 'link.txt'")) == ["x"]


@pytest.mark.parametrize(
    "options",
    [
        {"entrypoint": "../main.jsonnet"},
        {"entrypoint": "/etc/passwd"},
        {"entrypoint": "none.jsonnet"},
        {"jpaths": ["../lib"]},
        {"jpaths": ["/usr"]},
        {"jpaths": ["none"]},
    ],
)
async def test_files_and_libraries_lie_in_the_source(tmp_path, options):
    with pytest.raises(RenderError, match=r"source"):
        await rendered(tmp_path, "{}", **options)


async def test_runtime_data_is_not_there(tmp_path):
    message = await failure(tmp_path, "import 'locutus-runtime/grafanas/list'")

    assert "there is no runtime data" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{\n  a: error 'no luck',\n}", "main.jsonnet:2: no luck"),
        ("{\n  a: 1", "main.jsonnet:2: Expected a comma before next field"),
        ("{\n\n  a: b\n}", "main.jsonnet:3: Unknown variable: b"),
        ("std.map(\n  function(x) x.y, [{}])", "main.jsonnet:2: Field does not exist: y"),
        ("{a: error 'one\\n\\ttwo'}", "main.jsonnet:1: one"),
        ("assert false : 'never'; {}", "main.jsonnet:1: never"),
        ("local f(x) = f(x + 1) + 1; f(1)", "main.jsonnet:1: max stack frames exceeded."),
        ("{a: function(x) x}", "main.jsonnet: couldn't manifest function as JSON"),
    ],
)
async def test_errors_have_their_file_and_line(tmp_path, text, said):
    assert (await failure(tmp_path, text)).startswith(f"jsonnet failed: {said}")


async def test_errors_of_a_library_name_the_library(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.libsonnet").write_text("\n{ a: error 'deep' }")

    assert "lib/a.libsonnet:2: deep" in await failure(tmp_path, "import 'lib/a.libsonnet'")


async def test_errors_do_not_show_secrets(tmp_path):
    values = {"db": {"password": "hunter22", "host": "db-1"}}
    text = "local db = std.extVar('values').db; error db.host + ' ' + db.password"

    assert (await failure(tmp_path, text, values)).endswith("main.jsonnet:1: db-1 ***")


async def test_an_endless_evaluation_is_ended(tmp_path):
    message = await failure(tmp_path, ENDLESS, seconds=1)

    assert message == "jsonnet main.jsonnet took more than 0:00:01"


async def test_a_document_may_give_an_evaluation_less_time(tmp_path):
    message = await failure(tmp_path, ENDLESS, timeout="1s")

    assert message == "jsonnet main.jsonnet took more than 0:00:01"


async def test_too_much_memory_ends_the_child_only(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "MAX_MEMORY", 200 * 2**20)
    text = "local f(n) = if n == 0 then '' else f(n - 1) + std.repeat('x', 4000000); [f(100)]"

    assert "memory" in await failure(tmp_path, text)


async def test_too_much_output_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "MAX_OUTPUT", 1000)
    with pytest.raises(RolloutError):
        await rendered(tmp_path, "{a: std.repeat('x', 5000)}")


async def test_the_environment_and_home_are_not_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "t0ken")

    assert "Undefined external variable" in await failure(tmp_path, "std.extVar('SOME_TOKEN')")


def test_jsonnet_is_not_imported_in_this_process():
    assert not {"_jsonnet", "_gojsonnet", "rjsonnet"} & set(sys.modules)
