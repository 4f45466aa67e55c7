"""Libraries of jsonnet-bundler: found, checked, never fetched."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollwright.errors import RenderError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.jsonnet import ENGINES, Jsonnet

PLACE = "vendor/github.com/org/lib/jsonnet/thing"
GIT = {"git": {"remote": "https://github.com/org/lib.git", "subdir": "jsonnet/thing"}}


async def names(root: Path, text: str, place: str = "main.jsonnet", **options: Any) -> list[str]:
    body = "{apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: TEXT}}"
    (root / place).write_text(body.replace("TEXT", text))
    request = RenderRequest(
        checkout=Checkout(root=root, revision="path@sha256:0"), timeout=timedelta(seconds=20)
    )
    found = await Jsonnet.model_validate({"entrypoint": place, **options}).render(request)
    return [one.ref.name for one in found]


def install(root: Path, *sources: Any, legacy: bool = True, lock: bool = True) -> None:
    listed = {"version": 1, "dependencies": [{"source": one, "version": "main"} for one in sources]}
    (root / "jsonnetfile.json").write_text(json.dumps({**listed, "legacyImports": legacy}))
    if lock:
        (root / "jsonnetfile.lock.json").write_text(json.dumps(listed))


def vendored(root: Path, place: str = PLACE) -> Path:
    (root / place).mkdir(parents=True)
    (root / place / "a.libsonnet").write_text("'vendored'")
    return root / place


@pytest.mark.parametrize("engine", ENGINES)
async def test_vendored_libraries_have_their_long_names(tmp_path, engine):
    install(tmp_path, GIT)
    vendored(tmp_path)
    text = "import 'github.com/org/lib/jsonnet/thing/a.libsonnet'"

    assert await names(tmp_path, text, engine=engine) == ["vendored"]


@pytest.mark.parametrize("has_link", [True, False])
async def test_short_names_work_with_and_without_their_link(tmp_path, has_link):
    install(tmp_path, GIT)
    vendored(tmp_path)
    if has_link:
        (tmp_path / "vendor" / "thing").symlink_to("github.com/org/lib/jsonnet/thing")

    assert await names(tmp_path, "import 'thing/a.libsonnet'") == ["vendored"]


async def test_short_names_can_be_switched_off(tmp_path):
    install(tmp_path, GIT, legacy=False)
    vendored(tmp_path)
    with pytest.raises(RenderError, match="no such file"):
        await names(tmp_path, "import 'thing/a.libsonnet'")


async def test_a_short_name_that_leads_out_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.libsonnet").write_text("'outside'")
    (tmp_path / "in" / "vendor").mkdir(parents=True)
    (tmp_path / "in" / "vendor" / "thing").symlink_to(tmp_path / "out")
    with pytest.raises(RenderError, match="it leads out of the source"):
        await names(tmp_path / "in", "import 'thing/a.libsonnet'")


@pytest.mark.parametrize("has_lock", [True, False])
async def test_what_is_not_vendored_is_told(tmp_path, has_lock):
    install(tmp_path, GIT, {"git": {"remote": "https://h.org/x/y", "subdir": ""}}, lock=has_lock)
    vendored(tmp_path)
    with pytest.raises(RenderError) as caught:
        await names(tmp_path, "'x'")

    file = "jsonnetfile.lock.json" if has_lock else "jsonnetfile.json"
    assert caught.value.message == f"{file}: not vendored: h.org/x/y"
    assert "jb install" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ({"git": {"remote": "ssh://git@host.org/a/b.git"}}, "vendor/host.org/a/b"),
        ({"git": {"remote": "git@host.org:a/b.git", "subdir": "/c/"}}, "vendor/host.org/a/b/c"),
        ({"git": {"remote": "https://host.org/a/b"}}, "vendor/host.org/a/b"),
        ({"local": {"directory": "../shared/own"}}, "vendor/own"),
    ],
)
async def test_every_form_of_a_source_has_its_place(tmp_path, source, place):
    install(tmp_path, source)
    vendored(tmp_path, place)
    name = place.rpartition("/")[2]

    assert await names(tmp_path, f"import '{name}/a.libsonnet'") == ["vendored"]


@pytest.mark.parametrize("source", [{}, {"git": {"remote": 1}}, {"local": {"directory": "a/.."}}])
async def test_a_source_that_is_none_is_refused(tmp_path, source):
    install(tmp_path, source)
    with pytest.raises(RenderError, match=r"jsonnetfile.lock.json dependencies\[0\]"):
        await names(tmp_path, "'x'")


async def test_the_nearest_vendor_wins(tmp_path):
    (tmp_path / "app").mkdir()
    for root, text in ((tmp_path, "'far'"), (tmp_path / "app", "'near'")):
        (root / "vendor").mkdir()
        (root / "vendor" / "a.libsonnet").write_text(text)
    (tmp_path / "vendor" / "b.libsonnet").write_text("'-b'")
    text = "(import 'a.libsonnet') + (import 'b.libsonnet')"

    assert await names(tmp_path, text, "app/main.jsonnet") == ["near-b"]
