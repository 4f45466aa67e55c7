"""One small application, written in five ways: the same objects."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollwright.documents import load
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.plugins.registry import Registry
from rollwright.renderers import BUILTIN
from rollwright.rollouts.manifest import ObjectRef

HOME = Path(__file__).with_name("five_ways")
VALUES = load((HOME / "values.yaml").read_text())
WAYS = ("plain", "kustomize", "helm", "jsonnet", "jinja")
OPTIONS: dict[str, dict[str, Any]] = {"helm": {"chart": ".", "releaseName": "shop"}}


async def objects(way: str, root: Path) -> dict[ObjectRef, Any]:
    shutil.copytree(HOME / way, root / way)
    renderer = Registry().build("renderers", way, OPTIONS.get(way, {}))
    request = RenderRequest(
        checkout=Checkout(root=root / way, revision="path@sha256:0"),
        values=VALUES,
        rollout="shop",
        namespace="front",
        timeout=timedelta(seconds=60),
    )
    return {one.ref: one.body for one in await renderer.render(request)}


@pytest.mark.parametrize("way", WAYS[1:])
async def test_every_way_gives_the_same_objects(way, tmp_path):
    if way not in BUILTIN:
        pytest.skip(f"there is no renderer {way!r}")
    expected = await objects("plain", tmp_path)

    assert await objects(way, tmp_path) == expected


async def test_the_application_has_three_objects(tmp_path):
    assert sorted(ref.kind for ref in await objects("plain", tmp_path)) == [
        "ConfigMap", "Deployment", "Service",
    ]  # fmt: skip
