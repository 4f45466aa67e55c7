"""Everything that ``lint`` finds in files, in folders, or in a whole site.

Before: ``lint`` was asked. After: every finding is printed, each once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rollwright.cli.findings import Finding, look
from rollwright.cli.lint_targets import Targets, targets, targets_of_site
from rollwright.cli.namesakes import namesakes
from rollwright.cli.option_findings import site_findings
from rollwright.cli.options import Common, usage_error
from rollwright.cli.session import opened, site_of
from rollwright.cli.trigger_findings import Neighbors, look_at_named, look_at_triggers
from rollwright.engine.listening.declared import declaring_files
from rollwright.engine.site_file import LoadedSite
from rollwright.errors import RolloutError


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """What was found, and in how many rollouts and triggers."""

    findings: tuple[Finding, ...]
    rollout_count: int
    trigger_count: int


async def lint_paths(paths: Collection[Path], common: Common, *, is_twice: bool = False) -> Linted:
    """Look at what paths lead to; at the whole site if there are none.

    Raises:
        CommandError: No path is given, and there is no site.
        InvalidSpec: The site itself cannot be read.
    """
    found: list[Finding] = []
    if paths:
        chosen = targets(paths)
    else:
        chosen, found = await _whole_site(common)
    neighbors = Neighbors(common=common)
    for file in chosen.rollouts:
        found += await look(file, common, neighbors.brought_by, is_twice=is_twice)
        found += await look_at_named(file, common)
    trigger_count = 0
    for file in chosen.triggers:
        more, count = look_at_triggers(file, neighbors)
        found, trigger_count = [*found, *more], trigger_count + count
    found += _doubles(chosen, common)
    return Linted(
        findings=tuple(dict.fromkeys(found)),
        rollout_count=len(chosen.rollouts),
        trigger_count=trigger_count,
    )


async def _whole_site(common: Common) -> tuple[Targets, list[Finding]]:
    async with opened(common) as site:
        if site.loaded.path is None:
            raise usage_error("no file was named, and there is no site.toml here or above")
        return targets_of_site(site.loaded), [*site_findings(site)]


def _doubles(chosen: Targets, common: Common) -> Iterator[Finding]:
    """Yield names that stand twice in the sites of files."""
    files = (*chosen.rollouts, *chosen.triggers)
    sites = {site.path: site for site in _sites(files, common) if site.path}
    for site in sites.values():
        yield from namesakes(files, declaring_files(site))


def _sites(files: Iterable[Path], common: Common) -> Iterator[LoadedSite]:
    for folder in {file.resolve().parent for file in files}:
        try:
            yield site_of(folder / "rollout.yaml", common).loaded
        except RolloutError:
            continue  # it is told where its files are looked at
