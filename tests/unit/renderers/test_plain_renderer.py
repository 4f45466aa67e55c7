from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollwright.errors import InvalidDocument, InvalidManifests, RenderError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers import objects
from rollwright.renderers import plain as module
from rollwright.renderers.plain import Plain
from rollwright.rollouts.manifest import ManifestSet

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: '{}'}}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path


def write(tree: Path, **files: str) -> None:
    for name, text in files.items():
        path = tree / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


async def render(tree: Path, **options: Any) -> ManifestSet:
    request = RenderRequest(checkout=Checkout(root=tree, revision="r1"))
    return await Plain(**options).render(request)


async def keys(tree: Path, **options: Any) -> list[str]:
    return [one.key for one in await render(tree, **options)]


async def problems(tree: Path) -> list[str]:
    with pytest.raises(InvalidManifests) as caught:
        await render(tree)
    return [str(one) for one in caught.value.problems]


async def test_files_are_read_in_the_order_of_their_paths(tree: Path) -> None:
    write(tree, b_yaml=MAP.format("b"), a__z_yml=MAP.format("z"), notes_txt="no")
    write(tree, c_json='{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}')

    assert await keys(tree) == ["a/z.yml", "b.yaml", "c.json"]


async def test_objects_of_one_file_are_numbered_from_the_second(tree: Path) -> None:
    write(tree, a_yaml="---\n".join(map(MAP.format, ["x", "y", "z"])))

    assert await keys(tree) == ["a.yaml", "a.yaml#2", "a.yaml#3"]


async def test_an_origin_has_the_line_of_its_document(tree: Path) -> None:
    write(tree, a_yaml="# first\n" + MAP.format("x") + "---\n" + MAP.format("y"))

    assert [str(one.origin) for one in await render(tree)] == ["a.yaml:2", "a.yaml:6"]


async def test_lists_are_opened_with_the_lines_of_their_items(tree: Path) -> None:
    item = "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {{name: '{}'}}\n"
    write(tree, a_yaml="apiVersion: v1\nkind: List\nitems:\n" + item.format("x") + item.format("y"))
    found = await render(tree)

    assert [str(one.ref) for one in found] == ["ConfigMap/x", "ConfigMap/y"]
    assert [str(one.origin) for one in found] == ["a.yaml:4", "a.yaml:7"]


async def test_items_of_a_typed_list_get_its_kind(tree: Path) -> None:
    write(tree, a_yaml="apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: x}\n")

    assert [str(one.ref) for one in await render(tree)] == ["ConfigMap/x"]


async def test_lists_in_lists_are_opened(tree: Path) -> None:
    inner = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}"
    write(tree, a_yaml=f"apiVersion: v1\nkind: List\nitems: [{{kind: List, items: [{inner}]}}]\n")

    assert [str(one.ref) for one in await render(tree)] == ["ConfigMap/x"]


async def test_empty_documents_and_folders_give_nothing(tree: Path) -> None:
    write(tree, a_yaml="---\n# nothing\n---\n", b_yaml="", c_yaml="apiVersion: v1\nkind: List\n")

    assert len(await render(tree)) == 0


async def test_an_empty_folder_gives_an_empty_set(tree: Path) -> None:
    assert await render(tree) == ManifestSet((), "r1")


async def test_bodies_are_cleaned(tree: Path) -> None:
    write(tree, a_yaml=MAP.format("x") + "status: {a: 1}\ndata: {a: null, b: '1'}\n")

    assert "status" not in next(iter(await render(tree))).body
    assert next(iter(await render(tree))).body["data"] == {"b": "1"}


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: rollwright.dev/v1alpha1\nkind: Rollout\nmetadata: {name: x}\n",
        "apiVersion: workflow.kubernetes.io/v1alpha1\nkind: Rollout\nspec: {}\n",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n",
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n",
    ],
)
async def test_documents_for_tools_are_left_out(tree: Path, text: str) -> None:
    write(tree, a_yaml=MAP.format("x"), tool_yaml=text)

    assert await keys(tree) == ["a.yaml"]


async def test_a_kustomization_without_a_kind_is_left_out(tree: Path) -> None:
    write(tree, a_yaml=MAP.format("x"), kustomization_yaml="resources: [a.yaml]\n")

    assert await keys(tree) == ["a.yaml"]


async def test_a_rollout_of_another_group_is_an_object(tree: Path) -> None:
    write(tree, a_yaml="apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: x}\n")

    assert await keys(tree) == ["a.yaml"]


async def test_a_file_that_asks_to_be_skipped_is_skipped(tree: Path) -> None:
    write(tree, a_yaml="# +argocd:skip-file-rendering\nfoo: bar\n")

    assert await keys(tree) == []


async def test_what_is_no_object_is_told_with_its_line(tree: Path) -> None:
    write(tree, values_yaml="\nreplicas: 3\nimage: x\n")

    assert await problems(tree) == [
        "values.yaml:2: not a Kubernetes object: no apiVersion and no kind (keys: replicas, image)"
    ]


async def test_problems_of_all_files_are_told_at_once(tree: Path) -> None:
    write(tree, a_yaml="a: [\n", b_yaml="- 1\n", c_yaml="{a: 1, a: 2}\n")
    write(tree, d_yaml="apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x-}\n")
    found = await problems(tree)

    assert [one.partition(":")[0] for one in found] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]
    assert "generateName cannot be applied" in found[3]


async def test_a_list_item_that_is_no_object_is_told_with_its_line(tree: Path) -> None:
    write(tree, a_yaml="apiVersion: v1\nkind: List\nitems:\n- 5\n")

    assert await problems(tree) == ["a.yaml:4: not a Kubernetes object: a number"]


async def test_one_unreadable_file_is_an_invalid_document(tree: Path) -> None:
    write(tree, a_yaml=MAP.format("x"), b_yaml="a: [\n")

    with pytest.raises(InvalidDocument, match=r"b\.yaml:"):
        await render(tree)


async def test_exclude_is_the_way_out_for_files_that_hold_no_objects(tree: Path) -> None:
    (tree / "values.yaml").write_text("a: 1\n")
    with pytest.raises(InvalidManifests) as caught:
        await Plain().render(RenderRequest(checkout=Checkout(root=tree, revision="r")))

    assert caught.value.hint == "leave files that hold no objects out, with exclude"


async def test_one_identity_twice_names_both_places(tree: Path) -> None:
    write(tree, a_yaml=MAP.format("x"), b_yaml=MAP.format("x"))

    assert await problems(tree) == ["b.yaml:1: ConfigMap/x is declared twice; first at a.yaml:1"]


async def test_paths_choose_files_and_folders_in_their_order(tree: Path) -> None:
    write(tree, a__x_yaml=MAP.format("x"), b__y_yaml=MAP.format("y"), c_yaml=MAP.format("z"))

    assert await keys(tree, paths=("b", "a/x.yaml")) == ["b/y.yaml", "a/x.yaml"]


async def test_a_path_that_stands_twice_counts_once(tree: Path) -> None:
    write(tree, a__x_yaml=MAP.format("x"))

    assert await keys(tree, paths=("a", "a/x.yaml", ".")) == ["a/x.yaml"]


async def test_a_named_file_may_have_any_suffix(tree: Path) -> None:
    write(tree, a_txt=MAP.format("x"))

    assert await keys(tree, paths=("a.txt",)) == ["a.txt"]


async def test_a_tree_of_one_file_has_its_name_as_key(tree: Path) -> None:
    write(tree, a_yaml=MAP.format("x"), b_yaml=MAP.format("y"))

    assert await keys(tree / "a.yaml") == ["a.yaml"]


@pytest.mark.parametrize("glob", ["values.yaml", "a/values.yaml", "*/values*", "a", "a/", "*.yaml"])
async def test_excluded_files_are_not_read(tree: Path, glob: str) -> None:
    write(tree, a__values_yaml="x: 1\n", b_yml=MAP.format("x"))

    assert await keys(tree, exclude=(glob,)) == ["b.yml"]


async def test_folders_in_folders_can_be_left_out(tree: Path) -> None:
    write(tree, a__x_yaml=MAP.format("x"), b_yaml=MAP.format("y"))

    assert await keys(tree, recurse=False) == ["b.yaml"]


@pytest.mark.parametrize("path", ["../x.yaml", "/etc", "a/../../x.yaml"])
async def test_a_path_out_of_the_source_is_refused(tree: Path, path: str) -> None:
    with pytest.raises(RenderError, match="leads out of the source"):
        await render(tree, paths=(path,))


async def test_a_path_to_nothing_is_refused(tree: Path) -> None:
    with pytest.raises(RenderError, match=r"'x\.yaml' is not in the source"):
        await render(tree, paths=("x.yaml",))


async def test_a_link_out_of_the_source_is_refused(tree: Path) -> None:
    (tree / "a.yaml").symlink_to("/etc/passwd")

    with pytest.raises(RenderError, match="leads out of the source"):
        await render(tree)


async def test_a_file_that_grows_while_it_is_read_is_refused(tree: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefgh", "abcdefg", strict=True):
        bomb += f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    write(tree, a_yaml=bomb)

    with pytest.raises(InvalidDocument):
        await render(tree)


async def test_deep_nesting_is_refused(tree: Path) -> None:
    write(tree, a_yaml="[" * 5000)

    with pytest.raises(InvalidDocument):
        await render(tree)


async def test_too_many_bytes_are_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 80)
    write(tree, a_yaml=MAP.format("x"), b_yaml=MAP.format("y"))

    with pytest.raises(RenderError, match="too large"):
        await render(tree)


async def test_too_many_objects_are_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MAX_OBJECTS", 1)
    write(tree, a_yaml=MAP.format("x"), b_yaml=MAP.format("y"))

    assert await problems(tree) == ["b.yaml:1: more than 1 objects"]


async def test_the_time_is_limited(tree: Path) -> None:
    write(tree, a_yaml=MAP.format("x"))
    checkout = Checkout(root=tree, revision="r1")

    with pytest.raises(RenderError, match="took more than"):
        await Plain().render(RenderRequest(checkout=checkout, timeout=timedelta(seconds=-1)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
async def test_an_unreadable_file_is_told(tree: Path) -> None:
    write(tree, a_yaml=MAP.format("x"))
    (tree / "a.yaml").chmod(0)

    with pytest.raises(RenderError, match=r"cannot read a\.yaml"):
        await render(tree)
