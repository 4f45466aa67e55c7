"""``rollwright lint``: every mistake of rollouts and of what they render, at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollwright.cli.failing import USAGE
from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import write_document, write_lines

if TYPE_CHECKING:
    from rollwright.cli.findings import Finding
    from rollwright.cli.linting import Linted
    from rollwright.rollouts.describe.lines import Line


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
        Rollouts or triggers, or folders of them; without any, the whole site.
    strict
        Take warnings for errors.
    twice
        Render twice, and warn of objects that differ.
    output
        How the findings are printed.
    """
    from rollwright.cli.linting import lint_paths
    from rollwright.rollouts.machine.values import list_form

    found = asyncio.run(lint_paths(files, common, is_twice=twice))
    if output == "text":
        write_lines(_lines(found))
    else:
        write_document(list_form("ProblemList", [_form(one) for one in found.findings]), output)
    bad = {"error", "warning"} if strict else {"error"}
    return USAGE if any(one.severity in bad for one in found.findings) else 0


def _lines(found: Linted) -> Iterator[Line]:
    from rollwright.rollouts.describe.lines import Line, Tone

    tones = {"error": Tone.BAD, "warning": Tone.WARNING, "note": Tone.QUIET}
    for one in found.findings:
        yield Line(f"{one.severity}: {one.problem}", tones[one.severity])
    count = Counter(one.severity for one in found.findings)
    text = f"{_looked_at(found)}: {count['error']} errors, {count['warning']} warnings"
    if count["note"]:
        text += f", {_counted(count['note'], 'note')}"
    yield Line(text, Tone.BAD if count["error"] else Tone.GOOD)


def _looked_at(found: Linted) -> str:
    counts = ((found.rollout_count, "rollout"), (found.trigger_count, "trigger"))
    words = [_counted(count, noun) for count, noun in counts if count]
    return ", ".join(words) or "no rollouts"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _form(one: Finding) -> dict[str, Any]:
    problem = one.problem
    return {
        "severity": one.severity,
        "where": problem.where,
        "path": problem.path,
        "message": problem.message,
    }
