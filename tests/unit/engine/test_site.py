from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollwright import library
from rollwright.engine.site import Site, open_site
from rollwright.engine.site_file import load_site
from rollwright.errors import NotFound, RolloutError


async def test_ports_are_made_once(world, make):
    world.write(make.config("a"))
    spec = library.load(world.folder).spec

    async with world.site() as site:
        assert await site.cluster(spec) is world.cluster
        assert await site.store(spec) is await site.store(spec)


async def test_a_cluster_is_closed_with_its_site(world):
    async with world.site() as site:
        await site.cluster_named("")

    assert world.cluster.is_closed


async def test_a_cluster_that_no_site_names_is_told_with_those_it_does(tmp_path):
    (tmp_path / "site.toml").write_text('[clusters.prod]\nkubeconfig = "x"\n')
    site = Site(load_site(tmp_path / "site.toml", start=tmp_path))

    with pytest.raises(NotFound) as caught:
        await site.cluster_named("pord")

    assert "known: prod" in caught.value.message
    await site.close()


async def test_a_connection_that_failed_is_tried_again(tmp_path):
    (tmp_path / "site.toml").write_text('[clusters.prod]\nkubeconfig = "missing"\n')

    async with open_site(start=tmp_path) as site:
        for _ in range(2):
            with pytest.raises(RolloutError):
                await site.cluster_named("prod")


async def test_a_listener_that_fails_is_a_warning(world):
    site = world.site()

    def broken(_progress):
        raise KeyError("oops")

    site.tell = broken

    with pytest.warns(RuntimeWarning, match="oops"):
        site.tell("anything")
    await site.close()


def test_a_folder_without_a_site_has_the_defaults(tmp_path):
    site = open_site(start=Path(tmp_path))

    assert site.loaded.file.stores["default"].name == "cluster"


@pytest.mark.parametrize("group", ["stores", "locks"])
async def test_a_relative_folder_of_a_site_starts_at_the_site(tmp_path, monkeypatch, world, group):
    (tmp_path / "site.toml").write_text(
        '[stores.default]\nuse = "file"\nwith.path = "state"\n'
        '[locks.default]\nuse = "file"\nwith.path = "state"\n'
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    site = open_site(start=tmp_path)
    site.use_cluster(world.cluster)

    bound: Any = await (site.store if group == "stores" else site.locks)(
        library.load(world.folder).spec
    )

    assert bound.path.is_relative_to(tmp_path / "state")
