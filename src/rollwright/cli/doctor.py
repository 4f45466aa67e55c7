"""``rollwright doctor``: can this machine roll out, and if not, what to do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollwright.cli.failing import BUG, UNREACHABLE
from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import write_document, write_lines

if TYPE_CHECKING:
    from rollwright.cli.diagnosis import Finding
    from rollwright.rollouts.describe.lines import Line


def doctor(file: Path | None = None, /, *, output: Output = "text", common: Common = COMMON) -> int:
    """Check access, versions, permissions, stores and locks.

    Nothing is written but what the checks of stores and locks need for a moment.

    Parameters
    ----------
    file
        A rollout whose target is checked; without it, every cluster of the site.
    output
        How the findings are printed.
    """
    found = asyncio.run(_look(file, common))
    if output == "text":
        for finding in found:
            write_lines(_lines(finding))
    else:
        write_document(_form(found), output)
    if any(finding.is_unreachable for finding in found):
        return UNREACHABLE
    return BUG if any(finding.is_bad for finding in found) else 0


async def _look(file: Path | None, common: Common) -> list[Finding]:
    from rollwright.cli.checkup import machine_findings
    from rollwright.cli.diagnosis import Finding, Level
    from rollwright.cli.session import load, opened
    from rollwright.cli.site_checkup import clusters_meant, site_checkup
    from rollwright.cli.trigger_checkup import trigger_checkup

    found = [*await machine_findings()]
    loaded = load(file, common) if file else None
    async with opened(common, loaded) as site:
        where = site.loaded.path or "none; the defaults hold"
        found.append(Finding(level=Level.OK, subject="site", text=str(where)))
        clusters = clusters_meant(site, common, loaded)
        found += [finding async for finding in site_checkup(site, clusters)]
        found += await trigger_checkup(site)
    return found


def _lines(finding: Finding) -> list[Line]:
    from rollwright.rollouts.describe.lines import Line, Tone

    tones = {"ok": Tone.GOOD, "warn": Tone.WARNING, "fail": Tone.BAD}
    level = f"{finding.level:4}"
    lines = [Line(f"{level}  {finding.subject}: {finding.text}", tones[finding.level])]
    return [*lines, *([Line(finding.advice, Tone.QUIET, 3)] if finding.advice else [])]


def _form(found: list[Finding]) -> dict[str, Any]:
    from rollwright.rollouts.machine.values import API_VERSION

    items = [
        {"level": one.level.value, "subject": one.subject, "text": one.text, "advice": one.advice}
        for one in found
    ]
    return {"apiVersion": API_VERSION, "kind": "Checkup", "findings": items}
