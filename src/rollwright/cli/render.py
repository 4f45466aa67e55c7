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
    from rollwright.engine.progress import Progress
    from rollwright.rollouts.manifest import ManifestSet


def render(
    file: Path,
    /,
    *,
    check: bool = False,
    output: Annotated[Literal["yaml", "json"], Parameter(name=["--output", "-o"])] = "yaml",
    common: Common = COMMON,
) -> int:
    """Print the objects that a rollout declares; no cluster is needed.

    Secrets are printed as they were written.

    Parameters
    ----------
    file
        A rollout, or a folder with rollout.yaml.
    check
        Render twice, and fail if the objects differ.
    output
        yaml prints a stream of objects; json one line with objects and rollout: the rollout of the
        older format where one gives the groups, otherwise the document as it was read.
    """
    from rollwright.cli.session import load

    loaded = load(file, common)
    wanted = asyncio.run((rendered_twice if check else rendered)(loaded, common))
    sys.stdout.write(_json(loaded, wanted) if output == "json" else _yaml(wanted))
    sys.stdout.flush()
    # The objects are all that is asked for: half of them in a file are no success.
    return 1 if getattr(sys.stdout, "has_failed", False) else 0


async def rendered(loaded: LoadedRollout, common: Common) -> ManifestSet:
    """Return the objects of a rollout."""
    from rollwright.cli.session import opened
    from rollwright.engine import operations

    async with opened(common, loaded) as site:
        site.tell = _tell
        return await operations.render(site, loaded)


async def rendered_twice(loaded: LoadedRollout, common: Common) -> ManifestSet:
    """Return the objects of a rollout that renders to the same ones each time.

    Raises:
        RenderError: It does not; every object that differs is named.
    """
    from rollwright.cli.session import opened
    from rollwright.engine import operations
    from rollwright.errors import RenderError

    async with opened(common, loaded) as site:
        site.tell = _tell
        wanted, others = await operations.render_twice(site, loaded)
    if others:
        raise RenderError(
            f"{loaded.spec.name} renders differently each time: {', '.join(others)}",
            hint="random values, the time and generated keys are no part of a declaration",
        )
    return wanted


def _tell(progress: Progress) -> None:
    from rollwright.cli.output import say
    from rollwright.engine.progress import Note

    if isinstance(progress, Note):
        say(progress.text)


def _yaml(wanted: ManifestSet) -> str:
    from rollwright.documents import dump_all

    return dump_all([manifest.body for manifest in wanted])


def _json(loaded: LoadedRollout, wanted: ManifestSet) -> str:
    import orjson

    from rollwright.rollouts.machine.objects import objects_form
    from rollwright.rollouts.spec import dump

    rollout = wanted.rollout or loaded.older or dump(loaded.spec)
    return orjson.dumps(objects_form(wanted, dict(rollout))).decode() + "\n"
