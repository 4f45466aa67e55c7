"""``rollwright status --timeline``: when what happened in the last run.

Before: ``status`` was asked for it. After: the lines are printed, or a picture is written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rollwright.cli.options import Form
from rollwright.cli.output import write_document, write_lines
from rollwright.errors import NotFound

if TYPE_CHECKING:
    from rollwright.engine.site import Site


async def show_timeline(
    site: Site, name: str, cluster: str, *, svg: Path | None, output: Form
) -> None:
    """Print the last run of a rollout, or write it as a picture.

    Raises:
        NotFound: No run is on record.
    """
    from rollwright.engine.operations import named_spec, remembered
    from rollwright.rollouts.timeline.bars import last_timelines
    from rollwright.rollouts.timeline.form import timeline_form
    from rollwright.rollouts.timeline.svg import draw_svg
    from rollwright.rollouts.timeline.text import draw_text

    runs = last_timelines(await remembered(site, named_spec(name, cluster)))
    if not runs:
        raise NotFound(
            f"{name}: no run is on record", hint="the next run that changes something will be"
        )
    if svg is not None:
        _write(svg, draw_svg(runs))
    elif output != "text":
        write_document(timeline_form(name, runs), output)
    else:
        for one in runs:
            write_lines(draw_text(one))


def _write(path: Path, text: str) -> None:
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotFound(f"cannot write {str(path)!r}: {error.strerror}") from error
