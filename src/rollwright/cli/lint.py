"""``rollwright lint``: every mistake of rollouts and of what they render, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollwright.cli.failing import USAGE
from rollwright.cli.options import COMMON, Common, Output, usage_error
from rollwright.cli.output import write_document, write_lines

if TYPE_CHECKING:
    from rollwright.cli.findings import Finding
    from rollwright.rollouts.describe.plans import Line


def lint(
    *files: Path,
    strict: bool = False,
    twice: bool = False,
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Find mistakes in rollouts and in what they render; no cluster is needed.

    Parameters
    ----------
    files
        Rollouts or triggers, or folders with rollout.yaml or trigger.yaml.
    strict
        Take warnings for errors.
    twice
        Render twice, and warn of objects that differ.
    output
        How the findings are printed.
    """
    from rollwright.cli.trigger_findings import look_at
    from rollwright.rollouts.machine.documents import list_form

    if not files:
        raise usage_error("no file was named")
    found = [one for file in files for one in asyncio.run(look_at(file, common, is_twice=twice))]
    errors = sum(1 for one in found if one.is_error or strict)
    if output == "text":
        write_lines(_lines(found, len(files)))
    else:
        write_document(list_form("ProblemList", [_form(one) for one in found]), output)
    return USAGE if errors else 0


def _lines(found: Iterable[Finding], file_count: int) -> Iterator[Line]:
    from rollwright.rollouts.describe.plans import Line, Tone

    found = list(found)
    for one in found:
        word, tone = ("error", Tone.BAD) if one.is_error else ("warning", Tone.WARNING)
        yield Line(f"{word}: {one.problem}", tone)
    errors = sum(1 for one in found if one.is_error)
    nouns = "rollout" if file_count == 1 else "rollouts"
    text = f"{file_count} {nouns}: {errors} errors, {len(found) - errors} warnings"
    yield Line(text, Tone.BAD if errors else Tone.GOOD)


def _form(one: Finding) -> dict[str, Any]:
    problem = one.problem
    return {
        "severity": "error" if one.is_error else "warning",
        "where": problem.where,
        "path": problem.path,
        "message": problem.message,
    }
