"""Charts of the source: rendered as helm renders them, each object with its template."""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from rollwright.documents import dump, load_all
from rollwright.errors import InvalidDocument, InvalidManifests, RenderError
from rollwright.plugins.contracts import Checkout, Kubernetes, RenderRequest
from rollwright.renderers.helm import Helm
from rollwright.renderers.helm.program import PACKAGE, find_helm, unpack
from rollwright.renderers.helm.twice import differing, in_words, unsteady
from rollwright.rollouts.body import flatten, sendable
from rollwright.rollouts.hooks.hooks import Phase
from rollwright.rollouts.hooks.steps import read_hooks, set_apart
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.spec import parse

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\n"

CHART = {
    "Chart.yaml": """
        apiVersion: v2
        name: web
        version: 1.2.3
        appVersion: '9'
        """,
    "values.yaml": """
        tag: '1'
        replicas: 1
        big: 12345678901
        nested: {a: 1, b: 2}
        list: [1, 2]
        cache: {size: 3}
        """,
    "values.schema.json": """
        {"type": "object", "properties": {"replicas": {"type": "integer", "minimum": 1}}}
        """,
    "files/motd.txt": "hello\n",
    "templates/NOTES.txt": "Thank you for {{ .Release.Name }}\n",
    "templates/_helpers.tpl": """
        {{- define "web.name" -}}{{ .Release.Name }}-{{ .Chart.Name }}{{- end -}}
        """,
    "templates/deployment.yaml": """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: '{{ include "web.name" . }}', namespace: '{{ .Release.Namespace }}'}
        spec:
          replicas: {{ .Values.replicas }}
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec:
              containers:
              - {name: web, image: 'shop/web:{{ required "tag is required" .Values.tag }}'}
        """,
    "templates/maps.yaml": """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: facts}
        data:
          kube: {{ .Capabilities.KubeVersion.Version | quote }}
          has: {{ .Capabilities.APIVersions.Has "example.com/v1/Thing" | quote }}
          motd: {{ .Files.Get "files/motd.txt" | quote }}
          up: {{ .Files.Get "../../etc/passwd" | quote }}
          big: {{ int64 .Values.big | quote }}
          values: {{ toJson (omit .Values "cache" "global") | quote }}
          found: {{ len (lookup "v1" "Secret" "" "") | quote }}
        ---
        # nothing here
        ---
        apiVersion: v1
        kind: List
        items:
        - {apiVersion: v1, kind: ConfigMap, metadata: {name: first}}
        - {apiVersion: v1, kind: ConfigMap, metadata: {name: second}}
        """,
    "templates/migrate.yaml": """
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: migrate
          annotations:
            helm.sh/hook: pre-install,pre-upgrade
            helm.sh/hook-weight: '3'
        spec:
          template:
            spec: {restartPolicy: Never, containers: [{name: a, image: 'shop/job:1'}]}
        """,
    "templates/test.yaml": """
        apiVersion: v1
        kind: Pod
        metadata: {name: smoke, annotations: {helm.sh/hook: test}}
        spec: {restartPolicy: Never, containers: [{name: a, image: 'shop/test:1'}]}
        """,
    "crds/things.yaml": """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: things.example.com}
        spec:
          group: example.com
          scope: Namespaced
          names: {kind: Thing, plural: things}
          versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
        ---
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: others.example.com}
        spec:
          group: example.com
          scope: Namespaced
          names: {kind: Other, plural: others}
          versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
        """,
    "charts/cache/Chart.yaml": "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
    "charts/cache/values.yaml": "size: 1\n",
    "charts/cache/templates/map.yaml": """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: cache}
        data: {size: {{ .Values.size | quote }}}
        """,
}  # fmt: skip


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, text in CHART.items():
        write(root, f"web/{name}", text)
    return root


@pytest.fixture(autouse=True)
def own_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, of which nothing may be left."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def a_request(root: Path, config: Mapping[str, Any] | None = None, **fields: Any) -> RenderRequest:
    checkout = Checkout(root=root, revision="path@sha256:0")
    return RenderRequest(checkout=checkout, values=config or {}, rollout="shop", **fields)


async def render(
    root: Path, config: Mapping[str, Any] | None = None, **options: Any
) -> ManifestSet:
    return await Helm.model_validate({"chart": "web", **options}).render(a_request(root, config))


async def data(root: Path, config: Mapping[str, Any] | None = None, **options: Any) -> Any:
    found = await render(root, config, **options)
    return next(one.body["data"] for one in found if one.ref.name == "facts")


async def refused(root: Path, config: Mapping[str, Any] | None = None, **options: Any) -> str:
    with pytest.raises(RenderError) as caught:
        await render(root, config, **options)
    return f"{caught.value.message} | {caught.value.hint}"


def only(root: Path, **templates: str) -> None:
    """Leave these templates of the chart alone."""
    shutil.rmtree(root / "web/templates")
    for name, text in templates.items():
        write(root, f"web/templates/{name}.yaml", text)


# ------------------------------------------------------------------ as helm renders them


async def printed(root: Path, *words: str) -> list[Any]:
    """Return the objects that helm itself prints."""
    helm = (await find_helm()).path
    done = await asyncio.to_thread(
        subprocess.run,
        [helm, "template", "shop", str(root / "web"), *words],
        capture_output=True, check=True, env={"HOME": str(root.parent)},
    )  # fmt: skip
    values = [document.value for document in load_all(done.stdout)]
    return [sendable(body) for value in values for _, body in flatten(value)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["--include-crds"]),
        ({"includeCRDs": False}, []),
        ({"skipTests": True}, ["--include-crds", "--skip-tests"]),
        ({"namespace": "far"}, ["--include-crds", "--namespace=far"]),
        (
            {"kubeVersion": "1.33.1", "apiVersions": ["example.com/v1/Thing"]},
            ["--include-crds", "--kube-version=1.33.1", "--api-versions=example.com/v1/Thing"],
        ),
        (
            {"values": {"replicas": 3, "nested": {"b": None, "c": "x: y"}, "list": ["y", 1.5]}},
            ["--include-crds", "--set-json", 'replicas=3,nested={"b":null,"c":"x: y"}', "--set-json",
             'list=["y",1.5]'],
        ),
        ({"values": {"cache": {"size": 1000000}}}, ["--include-crds", "--set-json", 'cache={"size":1000000}']),
    ],
    ids=["all", "crds", "tests", "namespace", "capabilities", "values", "subchart"],
)  # fmt: skip
async def test_objects_are_those_of_helm(
    tree: Path, options: Mapping[str, Any], words: list[str]
) -> None:
    found = await render(tree, **options)

    assert [one.body for one in found] == await printed(tree, *words)


async def test_objects_know_their_templates(tree: Path) -> None:
    found = await render(tree)

    assert {one.key: str(one.origin) for one in found} == {
        "CustomResourceDefinition/things.example.com": "web/crds/things.yaml",
        "CustomResourceDefinition/others.example.com": "web/crds/things.yaml",
        "ConfigMap/cache": "web/charts/cache/templates/map.yaml",
        "ConfigMap/facts": "web/templates/maps.yaml",
        "ConfigMap/first": "web/templates/maps.yaml",
        "ConfigMap/second": "web/templates/maps.yaml",
        "Deployment/default/shop-web": "web/templates/deployment.yaml",
        "Job/migrate": "web/templates/migrate.yaml",
        "Pod/smoke": "web/templates/test.yaml",
    }


async def test_what_was_read_is_told(tree: Path) -> None:
    write(tree, "prod.yaml", "replicas: 2\n")
    found = await render(tree, valuesFiles=["prod.yaml"])

    assert set(found.inputs) == {"prod.yaml", *(f"web/{name}" for name in CHART)}


async def test_hooks_of_charts_are_hooks(tree: Path) -> None:
    spec = parse(
        {
            "apiVersion": "rollwright.dev/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "shop"},
            "spec": {"source": {"path": "."}},
        }
    )
    hooks = read_hooks(set_apart(spec, await render(tree)).hooks)

    phases = {one.manifest.ref.name: {moment.phase for moment in one.moments} for one in hooks}
    assert phases == {"migrate": {Phase.PRE_APPLY}, "smoke": {Phase.TEST}}
    assert {one.weight for one in hooks} == {3, 0}


async def test_a_chart_may_be_an_archive(tree: Path) -> None:
    with tarfile.open(tree / "web.tgz", "w:gz") as archive:
        archive.add(tree / "web", "web")
    found = await render(tree, chart="web.tgz")

    assert [one.body for one in found] == [one.body for one in await render(tree)]
    assert found.inputs == ("web.tgz",)


async def test_a_subchart_may_be_an_archive(tree: Path) -> None:
    before = await render(tree)
    with tarfile.open(tree / "web/charts/cache-0.1.0.tgz", "w:gz") as archive:
        archive.add(tree / "web/charts/cache", "cache")
    shutil.rmtree(tree / "web/charts/cache")

    assert [one.body for one in await render(tree)] == [one.body for one in before]


async def test_the_chart_may_be_the_whole_source(tree: Path) -> None:
    found = await Helm().render(a_request(tree / "web"))

    assert "ConfigMap/facts" in {one.key for one in found}


async def test_charts_and_values_beside_the_rollout_are_in_reach_of_a_fence(tree: Path) -> None:
    write(tree, "rollouts/shop/values.yaml", "replicas: 4\n")
    checkout = Checkout(root=tree / "rollouts/shop", revision="main@sha1:0", fence=tree)
    helm = Helm(chart="../../web", values_files=("values.yaml",))
    found = await helm.render(RenderRequest(checkout=checkout, rollout="shop"))

    assert next(one.body["spec"]["replicas"] for one in found if "Deployment" in one.key) == 4
    with pytest.raises(RenderError, match="leads out"):
        await Helm(chart="../../../x").render(RenderRequest(checkout=checkout, rollout="shop"))


async def test_a_cache_is_told_what_renders(tree: Path) -> None:
    assert (await Helm().outside() or "").startswith("helm v")
    assert await Helm(dependencies="update").outside() is None


# ------------------------------------------------------------------ values


async def test_later_values_win(tree: Path) -> None:
    write(tree, "a.yaml", "nested: {a: file-a, b: file-a, c: file-a, d: file-a}\n")
    write(tree, "b.yaml", "nested: {b: file-b, c: file-b, d: file-b}\n")
    found = await data(
        tree,
        {"nested": {"d": "config"}},
        valuesFiles=["a.yaml", "b.yaml"],
        values={"nested": {"c": "values", "d": "values"}},
    )

    wanted = '"nested":{"a":"file-a","b":"file-b","c":"values","d":"config"}'
    assert wanted in found["values"]


@pytest.mark.parametrize(
    "value",
    [
        "yes",
        "0x1f",
        "1e3",
        "2024-01-01",
        "null",
        "",
        " a ",
        "ü\u2028😀",
        "a: b # c",
        "{{ x }}",
        "&a",
    ],
)
async def test_texts_reach_the_chart_as_they_are(tree: Path, value: str) -> None:
    only(tree, map=MAP.format("facts") + "data: {a: {{ .Values.text | toJson }}}\n")
    found = await data(tree, {"text": value})

    assert found["a"] == value


async def test_the_schema_of_values_is_kept(tree: Path) -> None:
    message = await refused(tree, {"replicas": "three"})

    assert "/replicas" in message
    assert "correct config" in message


async def test_a_values_file_out_of_the_source_is_refused(tree: Path, tmp_path: Path) -> None:
    write(tmp_path, "out.yaml", "replicas: 2\n")
    (tree / "link.yaml").symlink_to(tmp_path / "out.yaml")
    for name in ("../out.yaml", str(tmp_path / "out.yaml"), "link.yaml"):
        assert "leads out of the source" in await refused(tree, valuesFiles=[name])


@pytest.mark.parametrize("name", ["https://example.com/v.yaml", "none.yaml", "--help"])
async def test_a_values_file_that_is_not_there_is_told(tree: Path, name: str) -> None:
    assert "is not in the source" in await refused(tree, valuesFiles=[name])


async def test_a_values_file_that_cannot_be_read_is_told_with_its_line(tree: Path) -> None:
    write(tree, "bad.yaml", "a: 1\nb: [\n")
    with pytest.raises(InvalidDocument, match=r"bad\.yaml:\d"):
        await render(tree, valuesFiles=["bad.yaml"])


@pytest.mark.parametrize("text", ["- a\n", "text\n"])
async def test_a_values_file_is_a_mapping(tree: Path, text: str) -> None:
    write(tree, "bad.yaml", text)
    with pytest.raises(InvalidDocument, match=r"bad\.yaml: expected a mapping"):
        await render(tree, valuesFiles=["bad.yaml"])


async def test_secret_values_are_never_quoted(tree: Path) -> None:
    only(tree, bad='a: {{ fail (printf "no: %s %s" .Values.db.password .Values.tag) }}\n')
    message = await refused(tree, {"db": {"password": "hunter2"}, "tag": "v9"})

    assert "hunter2" not in message
    assert "no: *** v9" in message


# ------------------------------------------------------------------ what a chart may know


async def test_capabilities_are_those_of_the_target(tree: Path) -> None:
    served = Kubernetes(version="1.31.2", api_versions=("example.com/v1", "example.com/v1/Thing"))
    found = await Helm(chart="web").render(a_request(tree, kubernetes=served))
    facts = next(one.body["data"] for one in found if one.ref.name == "facts")

    assert (facts["kube"], facts["has"]) == ("v1.31.2", "true")


async def test_what_the_document_says_of_capabilities_wins(tree: Path) -> None:
    served = Kubernetes(version="1.31.2", api_versions=("example.com/v1/Thing",))
    helm = Helm(chart="web", kube_version="1.30.0", api_versions=("a/v1",))
    found = await helm.render(a_request(tree, kubernetes=served))
    facts = next(one.body["data"] for one in found if one.ref.name == "facts")

    assert (facts["kube"], facts["has"]) == ("v1.30.0", "false")


async def test_files_of_the_chart_can_be_read_and_no_others(tree: Path) -> None:
    found = await data(tree)

    assert (found["motd"], found["up"]) == ("hello\n", "")


async def test_lookup_finds_nothing(tree: Path) -> None:
    assert (await data(tree))["found"] == "0"


async def test_the_release_is_named_by_rollout_and_target(tree: Path) -> None:
    found = await Helm(chart="web").render(a_request(tree, namespace="far"))

    assert "Deployment/far/shop-web" in {one.key for one in found}


async def test_the_document_may_name_the_release(tree: Path) -> None:
    found = await render(tree, releaseName="other", namespace="near")

    assert "Deployment/near/other-web" in {one.key for one in found}


async def test_a_name_too_long_for_a_release_is_told(tree: Path) -> None:
    request = RenderRequest(checkout=Checkout(root=tree, revision="r"), rollout="x" * 60)
    with pytest.raises(RenderError, match="60 characters") as caught:
        await Helm(chart="web").render(request)

    assert caught.value.hint == "set releaseName"


# ------------------------------------------------------------------ complaints


async def test_required_values_are_told_with_template_and_line(tree: Path) -> None:
    message = await refused(tree, {"tag": ""})

    assert "failed: web/templates/deployment.yaml:12:40: tag is required" in message


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('a: {{ fail "not\\nthis way" }}', "web/templates/x.yaml:1:6: not this way"),
        ("a: {{ .Values.none.x }}", "web/templates/x.yaml:1:"),
        ('a: {{ include "none" . }}', "web/templates/x.yaml:1:"),
        ("a: {{ nothing }}", 'function "nothing" not defined'),
        ("a: {{ if }}", "web/templates/x.yaml:1"),
        ("a: b: c", "web/templates/x.yaml"),
        ("a: [", "web/templates/x.yaml"),
    ],
    ids=["fail", "nil", "include", "function", "syntax", "mapping", "list"],
)  # fmt: skip
async def test_mistakes_are_told_with_their_template(tree: Path, template: str, words: str) -> None:
    only(tree, x=template)
    message = await refused(tree)

    assert words in message
    assert "--debug" not in message


async def test_objects_that_stand_twice_are_told_with_both_templates(tree: Path) -> None:
    write(tree, "web/charts/cache/templates/other.yaml", MAP.format("facts"))
    with pytest.raises(InvalidManifests) as caught:
        await render(tree)

    assert "web/charts/cache/templates/other.yaml" in caught.value.message
    assert "web/templates/maps.yaml" in caught.value.message


async def test_templates_that_give_no_objects_are_told(tree: Path) -> None:
    only(tree, x="a: 1\n", y="apiVersion: v1\nkind: ConfigMap\n")
    with pytest.raises(InvalidManifests) as caught:
        await render(tree)

    assert {one.where for one in caught.value.problems} == {
        "web/templates/x.yaml",
        "web/templates/y.yaml",
    }


async def test_a_key_that_stands_twice_is_told_with_its_template(tree: Path) -> None:
    only(tree, x=MAP.format("x") + "data: {a: '1', a: '2'}\n")
    with pytest.raises((InvalidDocument, RenderError), match=r"web/templates/x\.yaml"):
        await render(tree)


async def test_a_folder_without_a_chart_is_told(tree: Path) -> None:
    assert "no Chart.yaml in web/files" in await refused(tree, chart="web/files")


async def test_a_chart_that_asks_for_another_kubernetes_is_told(tree: Path) -> None:
    write(tree, "web/Chart.yaml", dedent(CHART["Chart.yaml"]) + "kubeVersion: '>=1.99'\n")

    assert "set kubeVersion" in await refused(tree)


async def test_a_library_chart_is_told(tree: Path) -> None:
    write(tree, "web/Chart.yaml", dedent(CHART["Chart.yaml"]) + "type: library\n")

    assert "library charts are not installable" in await refused(tree)


async def test_a_chart_that_gives_nothing_gives_nothing(tree: Path) -> None:
    shutil.rmtree(tree / "web/charts")
    shutil.rmtree(tree / "web/crds")
    only(tree, x="{{ if false }}a: 1{{ end }}\n")

    assert len(await render(tree)) == 0


# ------------------------------------------------------------------ dependencies in the source


async def test_folders_of_the_source_are_dependencies(tree: Path) -> None:
    write(tree, "lib/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 0.2.0\n")
    write(tree, "lib/templates/map.yaml", MAP.format("of-lib"))
    text = (
        "dependencies:\n- {name: lib, version: 0.x.x, repository: 'file://../lib', alias: mine}\n"
    )
    write(tree, "web/Chart.yaml", dedent(CHART["Chart.yaml"]) + text)
    found = await render(tree, dependencies="update")

    assert "ConfigMap/of-lib" in {one.key for one in found}
    assert "lib/templates/map.yaml" in found.inputs


@pytest.mark.parametrize("place", ["file://../../out", "file:///etc", "file://../link"])
async def test_dependencies_out_of_the_source_are_refused(
    tree: Path, tmp_path: Path, place: str
) -> None:
    write(tmp_path, "out/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 0.2.0\n")
    (tree / "link").symlink_to(tmp_path / "out")
    text = f"dependencies:\n- {{name: lib, version: 0.x.x, repository: '{place}'}}\n"
    write(tree, "web/Chart.yaml", dedent(CHART["Chart.yaml"]) + text)

    assert "leads out of the source" in await refused(tree, dependencies="update")


async def test_dependencies_in_a_circle_end(tree: Path) -> None:
    text = (
        "apiVersion: v2\nname: {0}\nversion: 1.0.0\ndependencies:\n"
        "- {{name: {1}, version: 1.0.0, repository: 'file://../{1}'}}\n"
    )
    write(tree, "a/Chart.yaml", text.format("a", "b"))
    write(tree, "b/Chart.yaml", text.format("b", "a"))

    assert "deep" in await refused(tree, chart="a", dependencies="update")


# ------------------------------------------------------------------ charts that never rest


RANDOM = MAP.format("random") + "data: {a: {{ randAlphaNum 20 | quote }}}\n"


async def test_objects_that_differ_each_time_are_found(tree: Path) -> None:
    write(tree, "web/templates/random.yaml", RANDOM)

    assert await unsteady(Helm(chart="web"), a_request(tree)) == (
        "ConfigMap/random (web/templates/random.yaml)",
    )


async def test_a_chart_that_is_steady_is_steady(tree: Path) -> None:
    first, again = await render(tree), await render(tree)

    assert in_words(differing(first, again)) == ""
    assert differing(first, ManifestSet(first.manifests[1:])) == (
        "CustomResourceDefinition/things.example.com (web/crds/things.yaml)",
    )


# ------------------------------------------------------------------ the program


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment without helm."""
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def a_program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


async def test_the_environment_names_the_program(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_program(bare / "mine", "v3.19.0")
    monkeypatch.setenv("ROLLWRIGHT_HELM", str(path))

    assert await Helm().engine_version() == "helm v3.19.0"


async def test_the_program_on_path_comes_next(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = a_program(bare / "bin/helm", "v4.0.1")
    monkeypatch.setenv("PATH", str(path.parent))

    assert (await find_helm()).path == str(path)


async def test_the_installed_distribution_comes_last(bare: Path) -> None:
    found = await find_helm()

    assert Path(found.path).is_relative_to(bare / "cache/rollwright/helm")
    assert found.version.startswith("v4.")
    assert sorted(one.name for one in Path(found.path).parent.iterdir()) == [".lock", "helm"]


def test_half_a_program_is_never_left(tmp_path: Path) -> None:
    (tmp_path / "bad.tgz").write_bytes(b"no archive")
    with pytest.raises(tarfile.TarError):
        unpack(tmp_path / "bad.tgz", tmp_path / "helm/helm")

    assert [one.name for one in (tmp_path / "helm").iterdir()] == [".lock"]


async def test_without_any_program_it_is_told_how_to_get_one(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollwright.renderers.helm.program.PACKAGE", "no-such-distribution")
    with pytest.raises(RenderError, match="needs helm, and none is on PATH") as caught:
        await find_helm()

    assert PACKAGE not in str(caught.value)
    assert "ROLLWRIGHT_HELM" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("version", "words"),
    [("v3.5.4", "expected 3.13 or newer"), ("kubectl", "is no helm"), ("v2.17.0", "expected")],
)
async def test_a_program_that_will_not_do_is_told(
    bare: Path, monkeypatch: pytest.MonkeyPatch, version: str, words: str
) -> None:
    monkeypatch.setenv("ROLLWRIGHT_HELM", str(a_program(bare / "old", version)))
    with pytest.raises(RenderError, match=words):
        await find_helm()


async def test_an_environment_that_names_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLWRIGHT_HELM", "/none")
    with pytest.raises(RenderError, match="ROLLWRIGHT_HELM names no program"):
        await find_helm()


# ------------------------------------------------------------------ hostile charts


@pytest.mark.parametrize("chart", ["..", "../tree/web", "/etc", "web/../../x", "link"])
async def test_charts_out_of_the_source_are_refused(tree: Path, tmp_path: Path, chart: str) -> None:
    shutil.copytree(tree / "web", tmp_path / "x")
    (tree / "link").symlink_to(tmp_path / "x")
    if chart == "../tree/web":
        shutil.move(tree, tmp_path / "elsewhere")
        (tmp_path / "tree2").mkdir()
        tree = tmp_path / "tree2"

    assert "source" in await refused(tree, chart=chart)


@pytest.mark.parametrize("chart", ["--help", "-x", "--post-renderer=/bin/sh"])
async def test_a_chart_is_never_an_option(tree: Path, chart: str) -> None:
    assert "is not in the source" in await refused(tree, chart=chart)


@pytest.mark.parametrize("place", ["templates/x.yaml", "files/x", "charts/x", "crds/x.yaml"])
async def test_links_out_of_the_source_are_refused(tree: Path, tmp_path: Path, place: str) -> None:
    write(tmp_path, "secret/Chart.yaml", "secret")
    target = "secret" if place.startswith("charts") else "secret/Chart.yaml"
    (tree / "web" / place).symlink_to(tmp_path / target)

    assert f"web/{place} is a link that leads out of the source" in await refused(tree)


async def test_links_in_the_source_are_followed(tree: Path) -> None:
    write(tree, "shared/map.yaml", MAP.format("shared"))
    (tree / "web/templates/shared.yaml").symlink_to("../../shared/map.yaml")
    found = await render(tree)

    assert "ConfigMap/shared" in {one.key for one in found}
    assert "shared/map.yaml" in found.inputs


@pytest.mark.parametrize("target", [".", "..", "../.."])
async def test_links_in_a_circle_are_refused(tree: Path, target: str) -> None:
    (tree / "web/files/again").symlink_to(target)

    assert "is a link to a folder that holds it" in await refused(tree)


async def test_a_link_to_nothing_is_told(tree: Path) -> None:
    (tree / "web/files/none").symlink_to("nowhere")

    assert "web/files/none is a link to nothing" in await refused(tree)


def an_archive(path: Path, *members: tarfile.TarInfo, content: bytes = b"") -> None:
    with tarfile.open(path, "w:gz", compresslevel=9) as archive:
        text = b"apiVersion: v2\nname: web\nversion: 1.0.0\n"
        chart = tarfile.TarInfo("web/Chart.yaml")
        chart.size = len(text)
        archive.addfile(chart, io.BytesIO(text))
        for member in members:
            archive.addfile(member, io.BytesIO(content))


def a_link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (a_link("web/templates/x.yaml", "/etc/passwd"), "is a link or a device"),
        (a_link("web/templates/x.yaml", "Chart.yaml", tarfile.LNKTYPE), "is a link or a device"),
        (a_link("web/x", "", tarfile.FIFOTYPE), "is a link or a device"),
        (tarfile.TarInfo("web/../../x"), "leads out of the chart"),
        (tarfile.TarInfo("/etc/x"), "leads out of the chart"),
        (tarfile.TarInfo("web\\..\\..\\x"), "leads out of the chart"),
    ],
    ids=["link", "hard link", "pipe", "up", "absolute", "backslashes"],
)
async def test_archives_hold_plain_files_only(
    tree: Path, member: tarfile.TarInfo, words: str
) -> None:
    an_archive(tree / "web.tgz", member)

    assert words in await refused(tree, chart="web.tgz")


async def test_archives_that_grow_beyond_measure_are_refused(tree: Path) -> None:
    bomb = tarfile.TarInfo("web/files/bomb")
    bomb.size = 200 * 2**20
    an_archive(tree / "web.tgz", bomb, content=bytes(bomb.size))

    assert "when it is unpacked" in await refused(tree, chart="web.tgz")


async def test_archives_in_archives_count(tree: Path) -> None:
    bomb = tarfile.TarInfo("web/files/bomb")
    bomb.size = 60 * 2**20
    an_archive(tree / "inner.tgz", bomb, content=bytes(bomb.size))
    inner = (tree / "inner.tgz").read_bytes()
    members = [tarfile.TarInfo(f"web/charts/{name}.tgz") for name in "ab"]
    for member in members:
        member.size = len(inner)
    an_archive(tree / "web.tgz", *members, content=inner)

    assert "when it is unpacked" in await refused(tree, chart="web.tgz")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x1f\x8b" + b"x" * 50])
async def test_archives_that_are_none_are_told(tree: Path, content: bytes) -> None:
    (tree / "web.tgz").write_bytes(content)

    assert "is no chart archive" in await refused(tree, chart="web.tgz")


@pytest.mark.parametrize(
    "template",
    [
        "a: {{ range $i := until 100000000 }}{{ range $j := until 100000000 }}{{ $j }}{{ end }}{{ end }}",
        "a: {{ until 2000000000 | len }}",
        '{{ define "x" }}{{ tpl .t . }}{{ end }}{{ tpl "{{ tpl .t . }}" (dict "t" "{{ tpl .t . }}" "Template" .Template) }}',
        'a: {{ repeat 2000000000 "x" | repeat 2000000000 }}',
    ],
    ids=["endless", "memory", "tpl", "repeat"],
)
async def test_templates_that_never_end_are_ended(tree: Path, own_tmp: Path, template: str) -> None:
    only(tree, x=template)
    message = await refused(tree, timeout="8s")

    assert "helm template" in message
    assert "goroutine" not in message
    assert list(own_tmp.iterdir()) == []


async def test_huge_output_is_cut(tree: Path) -> None:
    only(tree, x=MAP.format("x") + 'data: {a: {{ repeat 70000000 "x" }}}\n')

    assert "printed more than" in await refused(tree)


async def test_values_that_are_a_bomb_are_refused(tree: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}, *{chr(97 + n)}]\n"
        for n in range(20)
    )
    write(tree, "bomb.yaml", bomb)
    with pytest.raises((InvalidDocument, RenderError)):
        await render(tree, valuesFiles=["bomb.yaml"], timeout="20s")


async def test_garbage_for_output_is_told(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "fake"
    program.write_text("#!/bin/sh\nif [ $1 = version ]; then echo v4.0.0; else echo '}{'; fi\n")
    program.chmod(0o755)
    monkeypatch.setenv("ROLLWRIGHT_HELM", str(program))

    assert "printed something else" in await refused(tree)


async def test_neither_plugins_nor_configuration_of_a_person_count(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "plugins/evil"
    text = f"name: evil\nversion: 1.0.0\ncommand: touch {tmp_path}/ran\nhooks: {{}}\n"
    write(plugin, "plugin.yaml", text)
    monkeypatch.setenv("HELM_PLUGINS", str(plugin.parent))
    monkeypatch.setenv("HELM_NAMESPACE", "evil")
    monkeypatch.setenv("HELM_KUBECONTEXT", "evil")
    found = await render(tree)

    assert not (tmp_path / "ran").exists()
    assert "Deployment/default/shop-web" in {one.key for one in found}


async def test_nothing_of_a_rendering_is_left(tree: Path, own_tmp: Path) -> None:
    await render(tree, {"password": "hunter2"}, values={"a": 1})

    assert list(own_tmp.iterdir()) == []


async def test_the_source_is_not_changed(tree: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    await render(tree, dependencies="update")

    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before


async def test_a_cancelled_rendering_leaves_nothing(tree: Path, own_tmp: Path) -> None:
    only(tree, x="a: {{ range until 100000000 }}{{ range until 100000000 }}{{ end }}{{ end }}")
    await find_helm()
    rendering = asyncio.create_task(render(tree))
    while not any(own_tmp.glob("rollwright-helm-*/values")):
        await asyncio.sleep(0.01)
    rendering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rendering

    assert list(own_tmp.iterdir()) == []


def test_options_are_written_as_a_document_has_them() -> None:
    written = Helm(chart="web", include_crds=False).model_dump(by_alias=True)

    assert written["includeCRDs"] is False
    assert dump(written)
