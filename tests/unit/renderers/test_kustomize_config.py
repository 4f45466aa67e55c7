"""What a rollout adds to a kustomization: config, a namespace, metadata, origins."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from rollwright.documents import load_all
from rollwright.errors import InvalidManifests, RenderError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.kustomize import Kustomize, find_kubectl
from rollwright.rollouts.body import sendable
from rollwright.rollouts.manifest import ManifestSet

OBJECTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  color: blue
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: 'shop/web:1'}
"""


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    write(root, "base/objects.yaml", OBJECTS)
    write(root, "base/kustomization.yaml", "resources: [objects.yaml]\n")
    write(root, "over/kustomization.yaml", "namePrefix: my-\nresources: [../base]\n")
    return root


@pytest.fixture(autouse=True)
def own_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


async def render(
    root: Path, values: Mapping[str, Any] | None = None, **options: Any
) -> ManifestSet:
    checkout = Checkout(root=root, revision="r1")
    request = RenderRequest(checkout=checkout, values=values or {})
    return await Kustomize.model_validate({"path": "base", **options}).render(request)


async def one(
    root: Path, kind: str, values: Mapping[str, Any] | None = None, **options: Any
) -> Any:
    found = await render(root, values, **options)
    return next(each.body for each in found if each.ref.kind == kind)


async def problems(root: Path, values: Mapping[str, Any], **options: Any) -> list[str]:
    with pytest.raises(InvalidManifests) as caught:
        await render(root, values, **options)
    return [str(each) for each in caught.value.problems]


# ------------------------------------------------------------------ as kubectl builds them


def printed(folder: Path) -> list[Any]:
    """Return the objects that kubectl itself prints."""
    done = subprocess.run(
        [find_kubectl(), "kustomize", str(folder)], capture_output=True, check=True
    )
    return [sendable(document.value) for document in load_all(done.stdout)]


GENERATED = """
resources: [../base]
namespace: shop
nameSuffix: -v1
labels: [{pairs: {team: a}, includeSelectors: true}]
commonAnnotations: {note: b}
images: [{name: shop/web, newTag: '7'}]
replicas: [{name: web, count: 3}]
configMapGenerator: [{name: env, literals: [a=b]}]
secretGenerator: [{name: key, literals: [a=b]}]
patches: [{patch: '[{"op": "add", "path": "/data/x", "value": "y"}]', target: {kind: ConfigMap, name: settings}}]
"""


FIELDS = """
resources: [../base, job.yaml]
components: [../part]
crds: [crd.json]
configurations: [refs.yaml]
generatorOptions: {disableNameSuffixHash: true, labels: {gen: x}}
configMapGenerator:
- {name: settings, behavior: merge, literals: [more=1]}
- {name: files, files: [key=job.yaml]}
vars: [{name: COLOR, objref: {kind: ConfigMap, name: settings, apiVersion: v1}, fieldref: {fieldpath: metadata.name}}]
replacements:
- source: {kind: ConfigMap, name: settings, fieldPath: data.color}
  targets: [{select: {kind: Deployment}, fieldPaths: [metadata.labels.app]}]
patches:
- target: {kind: Deployment}
  patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec: {template: {spec: {containers: [{name: web, envFrom: [{configMapRef: {name: settings}}]}]}}}
namePrefix: a-
"""


async def test_fields_of_all_kinds_are_those_of_kubectl(tree: Path) -> None:
    write(tree, "case/kustomization.yaml", FIELDS)
    write(tree, "case/crd.json", "{}")
    write(
        tree,
        "case/refs.yaml",
        "nameReference: [{kind: ConfigMap, fieldSpecs: [{kind: Job, path: spec/map}]}]",
    )
    write(
        tree,
        "case/job.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {map: settings, args: [$(COLOR)]}",
    )
    part = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {part: b}\n"
    write(tree, "part/kustomization.yaml", part)

    assert [each.body for each in await render(tree, path="case")] == printed(tree / "case")


@pytest.mark.parametrize(
    "text",
    [
        GENERATED,
        f"{GENERATED}sortOptions: {{order: legacy}}\n",
        f"{GENERATED}sortOptions: {{order: fifo}}\n",
        f"{GENERATED}buildMetadata: [originAnnotations, transformerAnnotations, managedByLabel]\n",
        "resources: [../base]\nbuildMetadata: [managedByLabel]\n",
        "resources: [../over, ../base]\n",
    ],
    ids=["all", "legacy", "fifo", "metadata", "managed", "twice"],
)
async def test_objects_are_those_of_kubectl(tree: Path, text: str) -> None:
    write(tree, "case/kustomization.yaml", text)

    assert [each.body for each in await render(tree, path="case")] == printed(tree / "case")


async def test_the_source_is_not_changed(tree: Path, own_tmp: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    await render(tree, {"a": 1}, targetNamespace="x", substitute=True)

    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before
    assert list(own_tmp.iterdir()) == []


# ------------------------------------------------------------------ origins


async def test_objects_know_file_and_line(tree: Path) -> None:
    found = await render(tree, path="over")

    assert {each.ref.name: str(each.origin) for each in found} == {
        "my-settings": "base/objects.yaml:1",
        "my-web": "base/objects.yaml:7",
    }


async def test_generated_objects_know_their_kustomization(tree: Path) -> None:
    write(tree, "base/kustomization.yaml", "configMapGenerator: [{name: g, literals: [a=b]}]\n")
    found = await render(tree)

    assert [str(each.origin) for each in found] == ["base/kustomization.yaml"]


async def test_nothing_of_origins_stays_on_objects(tree: Path) -> None:
    assert all("annotations" not in each.body["metadata"] for each in await render(tree))


async def test_twins_are_told_with_both_places(tree: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
    write(tree, "other/map.yaml", text)
    write(tree, "other/kustomization.yaml", "resources: [map.yaml]\n")
    write(tree, "both/kustomization.yaml", "resources: [../base, ../other]\n")
    with pytest.raises(RenderError, match="settings"):
        await render(tree, path="both")


async def test_bases_beside_the_rollout_are_in_reach_of_a_fence(tree: Path) -> None:
    checkout = Checkout(root=tree / "over", revision="main@sha1:0", fence=tree)
    found = await Kustomize().render(RenderRequest(checkout=checkout))

    assert {str(each.origin) for each in found} == {"base/objects.yaml:1", "base/objects.yaml:7"}
    with pytest.raises(RenderError, match="leads out"):
        await Kustomize().render(RenderRequest(checkout=Checkout(root=tree / "over", revision="r")))


# ------------------------------------------------------------------ namespace and metadata


async def test_a_target_namespace_goes_over_all_others(tree: Path) -> None:
    write(tree, "base/kustomization.yaml", "namespace: old\nresources: [objects.yaml]\n")
    found = await render(tree, targetNamespace="new")

    assert {each.ref.namespace for each in found} == {"new"}


async def test_common_metadata_stands_on_objects_only(tree: Path) -> None:
    common = {"labels": {"team": "a", "app": "over"}, "annotations": {"note": "b"}}
    found = await one(tree, "Deployment", commonMetadata=common)

    assert found["metadata"]["labels"] == {"app": "over", "team": "a"}
    assert found["metadata"]["annotations"] == {"note": "b"}
    assert found["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    assert found["spec"]["selector"]["matchLabels"] == {"app": "web"}


@pytest.mark.parametrize("name", ["--help", "A", "a/b", "../x"])
def test_a_namespace_has_the_form_of_one(name: str) -> None:
    with pytest.raises(ValueError, match="targetNamespace"):
        Kustomize.model_validate({"targetNamespace": name})


# ------------------------------------------------------------------ folders without one


async def test_a_kustomization_is_made_where_there_is_none(tree: Path) -> None:
    write(tree, "bare/a.yaml", OBJECTS)
    write(tree, "bare/more/b.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
    write(tree, "bare/sub/kustomization.yaml", "namePrefix: x-\nresources: [../../base]\n")
    write(tree, "bare/rollout.yaml", "apiVersion: rollwright.dev/v1\nkind: Rollout\n")
    write(tree, "bare/README.md", "no object\n")
    write(tree, "bare/.hidden.yaml", "no object\n")
    found = await render(tree, path="bare", targetNamespace="shop")

    assert {f"{each.ref.name} {each.origin}" for each in found} == {
        "settings bare/a.yaml:1",
        "web bare/a.yaml:7",
        "b bare/more/b.yml:1",
        "x-settings base/objects.yaml:1",
        "x-web base/objects.yaml:7",
    }


async def test_files_without_objects_are_told(tree: Path) -> None:
    write(tree, "bare/values.yaml", "replicas: 3\n")
    with pytest.raises(InvalidManifests, match=r"bare/values\.yaml:1"):
        await render(tree, path="bare")


async def test_links_out_of_a_folder_without_one_are_refused(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(OBJECTS)
    (tree / "bare").mkdir()
    (tree / "bare/a.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(RenderError, match="leads out"):
        await render(tree, path="bare")


async def test_remote_bases_below_a_folder_without_one_are_refused(tree: Path) -> None:
    write(tree, "bare/sub/kustomization.yaml", "resources: ['https://example.com/x.yaml']\n")
    with pytest.raises(RenderError, match="is remote"):
        await render(tree, path="bare")


# ------------------------------------------------------------------ replacements


async def test_config_is_a_source_of_replacements(tree: Path) -> None:
    replacements = [
        {
            "source": {"fieldPath": "values.web.replicas"},
            "targets": [{"select": {"kind": "Deployment"}, "fieldPaths": ["spec.replicas"]}],
        },
        {
            "source": {"fieldPath": "values.web.replicas"},
            "targets": [
                {
                    "select": {"kind": "ConfigMap"},
                    "fieldPaths": ["data.color"],
                }
            ],
        },
    ]
    found = await render(tree, {"web": {"replicas": 5}}, replacements=replacements)

    assert {each.ref.kind for each in found} == {"ConfigMap", "Deployment"}
    assert [each.body.get("spec", each.body.get("data")) for each in found] == [
        {"color": "5"},
        {**next(each.body["spec"] for each in found if "spec" in each.body), "replicas": 5},
    ]


async def test_a_replacement_without_its_value_is_told(tree: Path) -> None:
    target = {"select": {"kind": "Deployment"}, "fieldPaths": ["spec.replicas"]}
    replacements = [{"source": {"fieldPath": "values.none"}, "targets": [target]}]
    with pytest.raises(RenderError, match=r"values\.none"):
        await render(tree, {"a": 1}, replacements=replacements)


@pytest.mark.parametrize("replacement", [{"path": "/etc/passwd"}, {}, {"source": 1}])
async def test_replacements_of_elsewhere_are_refused(tree: Path, replacement: Any) -> None:
    with pytest.raises(RenderError, match="replacements"):
        await render(tree, replacements=[replacement])


# ------------------------------------------------------------------ substitution


async def test_variables_get_their_values(tree: Path) -> None:
    text = OBJECTS.replace("blue", "${color}").replace("replicas: 1", "replicas: ${replicas}")
    write(tree, "base/objects.yaml", text.replace("shop/web:1", "${image.name}:${image.tag:=2}"))
    values = {"color": 7, "replicas": 4, "image": {"name": "a/b"}}
    found = await render(tree, values, substitute=True)
    by_kind = {each.ref.kind: each.body for each in found}

    assert by_kind["ConfigMap"]["data"] == {"color": "7"}
    assert by_kind["Deployment"]["spec"]["replicas"] == 4
    [container] = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "a/b:2"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${a}", "1"),
        ("x${a}y${a}", "x1y1"),
        ("${b}", "true"),
        ("${none:=two words}", "two words"),
        ("${none:-3}", "3"),
        ("${none:=}", ""),
        ("${a:=9}", "1"),
        ("$${a}", "${a}"),
        ("$a $(a) $", "$a $(a) $"),
        ("${d.e-f}", "deep"),
    ],
)
async def test_forms_of_variables(tree: Path, text: str, value: str) -> None:
    write(tree, "base/objects.yaml", OBJECTS.replace("blue", f"'{text}'"))
    values = {"a": 1, "b": True, "d": {"e-f": "deep"}}
    found = await one(tree, "ConfigMap", values, substitute=True)

    assert found["data"]["color"] == value


@pytest.mark.parametrize(("text", "value"), [("${n:=3}", 3), ("${n:=a}", "a"), ("${t}", "3")])
async def test_a_lone_variable_keeps_its_type(tree: Path, text: str, value: Any) -> None:
    write(tree, "base/objects.yaml", OBJECTS.replace("replicas: 1", f"replicas: '{text}'"))
    found = await one(tree, "Deployment", {"t": "3"}, substitute=True)

    assert found["spec"]["replicas"] == value


async def test_variables_of_containers_are_text(tree: Path) -> None:
    env = "{name: web, args: ['${n}'], env: [{name: A, value: '${n}'}], ports: [{containerPort: '${n}'}]"
    write(tree, "base/objects.yaml", OBJECTS.replace("{name: web, image", f"{env}, image"))
    found = await one(tree, "Deployment", {"n": 80}, substitute=True)
    [container] = found["spec"]["template"]["spec"]["containers"]

    assert container["args"] == ["80"]
    assert container["env"] == [{"name": "A", "value": "80"}]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


async def test_names_may_be_variables(tree: Path) -> None:
    write(tree, "base/objects.yaml", OBJECTS.replace("name: settings", "name: 's-${env}'"))
    found = await render(tree, {"env": "prod"}, substitute=True)

    assert "ConfigMap/s-prod" in {each.key for each in found}


async def test_variables_without_values_are_told_with_their_lines(tree: Path) -> None:
    text = OBJECTS.replace("blue", "${color}").replace("replicas: 1", "replicas: ${n}")
    write(tree, "base/objects.yaml", text)

    assert await problems(tree, {"a": 1}, substitute=True) == [
        "base/objects.yaml:5 data.color: ${color} has no value in config",
        "base/objects.yaml:13 spec.replicas: ${n} has no value in config",
    ]


@pytest.mark.parametrize("text", ["${a b}", "${}", "${#x[@]}", "${a/b/c}", "${open"])
async def test_what_is_no_variable_is_told(tree: Path, text: str) -> None:
    write(tree, "base/objects.yaml", OBJECTS.replace("blue", f"'{text}'"))
    [problem] = await problems(tree, {"a": 1}, substitute=True)

    assert "is no variable" in problem


@pytest.mark.parametrize("value", [{"x": 1}, [1], None])
async def test_only_plain_values_stand_for_variables(tree: Path, value: Any) -> None:
    write(tree, "base/objects.yaml", OBJECTS.replace("blue", "${a}"))
    [problem] = await problems(tree, {"a": value}, substitute=True)

    assert "no text, number or boolean" in problem


@pytest.mark.parametrize(
    "name", ["rollwright.dev/substitute", "kustomize.toolkit.fluxcd.io/substitute"]
)
@pytest.mark.parametrize("part", ["annotations", "labels"])
async def test_an_object_may_opt_out(tree: Path, name: str, part: str) -> None:
    marked = f"name: settings, {part}: {{{name}: disabled}}"
    text = OBJECTS.replace("blue", "${color}").replace("name: settings", marked)
    write(tree, "base/objects.yaml", text)
    found = await one(tree, "ConfigMap", substitute=True)

    assert found["data"]["color"] == "${color}"


async def test_nothing_is_substituted_unasked(tree: Path) -> None:
    write(tree, "base/objects.yaml", OBJECTS.replace("blue", "${color}"))
    found = await one(tree, "ConfigMap", {"color": "red"})

    assert found["data"]["color"] == "${color}"


async def test_values_are_not_substituted_again(tree: Path) -> None:
    write(tree, "base/objects.yaml", OBJECTS.replace("blue", "${a}"))
    found = await one(tree, "ConfigMap", {"a": "${b}", "b": "x"}, substitute=True)

    assert found["data"]["color"] == "${b}"
