"""What ``lint`` finds in who is told: sinks of the site, and those that a Rollout names.

Before: ``lint`` was asked about a rollout. After: every finding is printed, and no run leaves
somebody untold because of a typing mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from rollwright.cli.findings import Finding, mistakes
from rollwright.documents import nearest_line
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.site import Site
from rollwright.engine.site_file.lines import key_lines
from rollwright.errors import Problem
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.feedback import FeedbackUse
from rollwright.rollouts.spec.problems import did_you_mean
from rollwright.rollouts.spec.uses import Use

Path: TypeAlias = tuple[str | int, ...]


def feedback_findings(site: Site, loaded: LoadedRollout) -> Iterator[Finding]:
    """Yield what is wrong with those whom a rollout names, and with those of its site."""
    for path, use in _uses(loaded.spec):
        line = nearest_line(loaded.document, path)
        yield from _look(site, use, f"{loaded.path}:{line}", _shown(path))
    file = site.loaded.path
    lines = key_lines(file.read_text()) if file else {}
    for name, sink in site.loaded.file.feedback.items():
        one = Use(name=sink.name, options=sink.options)
        where = f"{file}:{lines.get(('feedback', name), 1)}"
        yield from mistakes(site, "feedback", one, where, f"feedback.{name}.with")


def _uses(spec: RolloutSpec) -> Iterator[tuple[Path, FeedbackUse]]:
    """Yield each one that is named, with where it stands in the document."""
    yield from _numbered(("spec",), spec.feedback)
    for number, group in enumerate(spec.declared_groups):
        here = ("spec", "groups", number)
        yield from _numbered(here, group.feedback)
        for field, steps in (("steps", group.steps), ("onRollback", group.on_rollback)):
            for index, step in enumerate(steps):
                yield from _numbered((*here, field, index), step.feedback)


def _numbered(path: Path, uses: tuple[FeedbackUse, ...]) -> Iterator[tuple[Path, FeedbackUse]]:
    return (((*path, "feedback", index), use) for index, use in enumerate(uses))


def _look(site: Site, use: FeedbackUse, where: str, path: str) -> Iterator[Finding]:
    if use.use is not None:
        one = Use(name=use.use, options=use.options)
        yield from mistakes(site, "feedback", one, where, f"{path}.with")
        return
    sinks, name = site.loaded.file.feedback, use.name or ""
    if name not in sinks:
        known = ", ".join(sorted(sinks)) or "none"
        words = f"no sink {name!r} in the site; known: {known}{did_you_mean(name, sinks)}"
        yield Finding(problem=Problem(where=where, path=path, message=words))


def _shown(path: Path) -> str:
    parts = [f"[{one}]" if isinstance(one, int) else f".{one}" for one in path]
    return "".join(parts).removeprefix(".")
