"""Plugins that a document names: mistakes in their options are told at once, with their lines."""

from __future__ import annotations

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.errors import InvalidSpec, RolloutError

DOCUMENT = """\
apiVersion: rollwright.dev/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  source: %s
  render:
  - plian
  - use: plain
    with:
      paths: shop
  transform:
  - {use: images, with: {images: [{name: nginx, newTag: 1.5}]}}
  validate:
  - schema
  - {use: policies, with: {rulez: []}}
"""


async def told(world, text: str) -> list[str]:
    file = world.folder / "rollout.yaml"
    file.write_text(text)
    async with world.site() as site:
        with pytest.raises(InvalidSpec) as caught:
            await operations.render(site, library.load(file))
    return [str(one).removeprefix(str(file)) for one in caught.value.problems]


async def test_every_mistake_is_told_with_its_line(world, make):
    world.write(make.config("a"))
    known = "helm, jinja, jsonnet, kustomize, plain, tree"

    assert await told(world, DOCUMENT % "{path: ./manifests}") == [
        f":7 spec.render[0].use: no renderer 'plian'; known: {known}; did you mean 'plain'?",
        ":10 spec.render[1].with.paths: expected a list",
        ":12 spec.transform[0].with.images[0].newTag: expected text",
        ":15 spec.validate[1].with.rulez: unknown option; did you mean 'rules'?",
    ]


async def test_the_only_renderer_is_no_item_of_a_list(world, make):
    world.write(make.config("a"))
    lines = DOCUMENT.splitlines()[:5]
    text = "\n".join([*lines, "  render: {use: plain, with: {recurse: maybe}}"])

    assert (await told(world, text % "{path: ./manifests}"))[0].startswith(
        ":6 spec.render.with.recurse: "
    )


async def test_mistakes_of_the_source_are_told_before_anything_is_fetched(world):
    assert await told(world, DOCUMENT % "{use: git, with: {urll: x}}") == [
        ":5 spec.source.with.urll: unknown option; did you mean 'url'?",
    ]


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ("{use: helm, with: {chart: no-chart}}", ":8 spec.render[1] (helm): "),
        ("{use: plain, with: {paths: [nowhere.yaml]}}", ":8 spec.render[1] (plain): "),
        ("{use: jsonnet, with: {entrypoint: a.jsonnet}}", "; spec.render[1] (jsonnet) of "),
    ],
)
async def test_an_error_of_one_of_several_renderers_says_which(world, make, second, told):
    world.write(make.config("a"))
    (world.folder / "manifests" / "a.jsonnet").write_text("[1]")
    lines = DOCUMENT.splitlines()[:5]
    render = f"  render:\n  - {{use: plain, with: {{paths: [all.yaml]}}}}\n  - {second}"
    file = world.folder / "rollout.yaml"
    file.write_text("\n".join([*lines, render]) % "{path: ./manifests}")
    async with world.site() as site:
        with pytest.raises(RolloutError) as caught:
            await operations.render(site, library.load(file))

    place = f"{file}{told}" if told.startswith(":") else f"{told}{file}:8"
    assert place in str(caught.value)
