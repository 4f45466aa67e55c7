"""``rollwright render``: the objects that a rollout declares."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common

if TYPE_CHECKING:
    from rollwright.engine.documents import LoadedRollout
    from rollwright.rollouts.manifest import ManifestSet


def render(
    file: Path,
    /,
    *,
    output: Annotated[Literal["yaml", "json"], Parameter(name=["--output", "-o"])] = "yaml",
    common: Common = COMMON,
) -> None:
    """Print the objects that a rollout declares; no cluster is needed.

    Secrets are printed as they were written.

    Parameters
    ----------
    file
        A rollout, or a folder with rollout.yaml.
    output
        yaml prints a stream of objects; json one line with objects and rollout: the rollout of the
        older format where one gives the groups, otherwise the document as it was read.
    """
    from rollwright.cli.session import load

    loaded = load(file, common)
    wanted = asyncio.run(rendered(loaded, common))
    sys.stdout.write(_json(loaded, wanted) if output == "json" else _yaml(wanted))


async def rendered(loaded: LoadedRollout, common: Common) -> ManifestSet:
    """Return the objects of a rollout."""
    from rollwright.cli.session import opened
    from rollwright.engine import operations

    async with opened(common, loaded) as site:
        return await operations.render(site, loaded)


def _yaml(wanted: ManifestSet) -> str:
    from rollwright.documents import dump_all

    return dump_all([manifest.body for manifest in wanted])


def _json(loaded: LoadedRollout, wanted: ManifestSet) -> str:
    import orjson

    from rollwright.rollouts.machine.documents import objects_form
    from rollwright.rollouts.spec import dump

    rollout = wanted.rollout or loaded.older or dump(loaded.spec)
    return orjson.dumps(objects_form(wanted, dict(rollout))).decode() + "\n"
