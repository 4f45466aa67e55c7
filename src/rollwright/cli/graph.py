"""``rollwright graph``: the order of the objects, drawn."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common
from rollwright.cli.output import printable, write_document

if TYPE_CHECKING:
    from rollwright.engine.documents import LoadedRollout
    from rollwright.rollouts.graph import Graph


def graph(
    file: Path,
    /,
    *,
    output: Annotated[
        Literal["text", "mermaid", "svg", "json", "yaml"], Parameter(name=["--output", "-o"])
    ] = "text",
    common: Common = COMMON,
) -> None:
    """Draw the order of the objects; no cluster is needed.

    Each line names the rule that it comes from; what follows from other lines is left out.

    Parameters
    ----------
    file
        A rollout, or a folder with rollout.yaml.
    output
        How the graph is drawn.
    """
    from rollwright.rollouts.drawing import draw_svg
    from rollwright.rollouts.graph import draw_mermaid, draw_text, graph_form

    drawn = _graph(file, common)
    if output in {"json", "yaml"}:
        write_document(graph_form(drawn), output)
        return
    draw = {"text": draw_text, "mermaid": draw_mermaid, "svg": draw_svg}[output]
    sys.stdout.write(printable(draw(drawn)))


def _graph(file: Path, common: Common) -> Graph:
    from rollwright.cli.session import load

    return asyncio.run(_drawn(load(file, common), common))


async def _drawn(rollout: LoadedRollout, common: Common) -> Graph:
    from rollwright.cli.session import opened
    from rollwright.engine import operations
    from rollwright.engine.course import find_course
    from rollwright.rollouts.graph import graph_of
    from rollwright.rollouts.order import order_upserts
    from rollwright.rollouts.steps.course_graph import graph_of_course

    async with opened(common, rollout) as site:
        wanted = await operations.render(site, rollout)
        course = find_course(site, rollout.spec, wanted)
    return graph_of_course(course) if course else graph_of(order_upserts(wanted))
