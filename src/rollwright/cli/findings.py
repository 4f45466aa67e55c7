"""What ``lint`` finds: mistakes of documents and manifests, and what readers dispute.

Before: ``lint`` was asked about a file. After: every finding is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rollwright.cli.options import Common
from rollwright.cli.session import load, opened
from rollwright.documents import ambiguities
from rollwright.engine import operations
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.site import Site
from rollwright.engine.stages import DIRECT
from rollwright.errors import (
    InvalidDocument,
    InvalidManifests,
    InvalidSpec,
    Problem,
    RolloutError,
)
from rollwright.plugins import tree
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.order import order_upserts

_YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake, or something that only may be one."""

    problem: Problem
    is_error: bool = True


async def look(file: Path, common: Common, *, is_twice: bool = False) -> list[Finding]:
    """Return everything that is wrong with one rollout, or may be."""
    try:
        loaded = load(file, common)
    except RolloutError as error:
        return list(_errors(error, str(file)))
    warnings = [*_disputed(loaded.path.read_bytes(), str(loaded.path))]
    async with opened(common, loaded) as site:
        warnings += await _disputed_sources(site, loaded)
        try:
            wanted, others = await _rendered(site, loaded, is_twice=is_twice)
            notes = (*order_upserts(wanted).notes, *others)
        except RolloutError as error:
            found = error.warnings if isinstance(error, InvalidManifests) else ()
            return [*_errors(error, str(file)), *_as_warnings(_once(warnings, found))]
    notes_of = (Problem(where=str(loaded.path), path="", message=note) for note in notes)
    return [*_as_warnings(_once(warnings, wanted.warnings)), *_as_warnings(notes_of)]


def _once(found: Iterable[Problem], more: Iterable[Problem]) -> Iterable[Problem]:
    """Return what both found, each once: a validator may say what is looked at here anyway."""
    return {(one.where, one.path, one.message): one for one in (*found, *more)}.values()


async def _rendered(
    site: Site, loaded: LoadedRollout, *, is_twice: bool
) -> tuple[ManifestSet, tuple[str, ...]]:
    """Return the objects, and a sentence if they differ a second time."""
    if not is_twice:
        return await operations.render(site, loaded), ()
    wanted, others = await operations.render_twice(site, loaded)
    return wanted, (f"renders differently each time: {', '.join(others)}",) if others else ()


def _errors(error: RolloutError, file: str) -> Iterator[Finding]:
    if isinstance(error, InvalidSpec | InvalidManifests):
        yield from (Finding(problem=problem) for problem in error.problems)
    else:
        where = "" if file in error.message else file
        yield Finding(problem=Problem(where=where, path="", message=error.message))


def _as_warnings(problems: Iterable[Problem]) -> Iterator[Finding]:
    return (Finding(problem=problem, is_error=False) for problem in problems)


async def _disputed_sources(site: Site, loaded: LoadedRollout) -> list[Problem]:
    """Return what readers dispute in the YAML files of the source and of ``config``."""
    spec = loaded.spec
    try:
        checkout = await DIRECT.fetch(site, spec, operations.manual_trigger(spec.name))
        root = checkout.root
        files = [file for file in tree.files(root, root, recurse=True) if file.suffix in _YAML]
        named = [(tree.name_in(root, file), tree.read(root, file)) for file in files]
    except RolloutError:
        return []  # rendering says it better
    values = [loaded.base / entry.file for entry in spec.config if entry.file]
    yaml = (file for file in values if file.is_file() and file.suffix in _YAML)
    named += [(str(file), file.read_bytes()) for file in yaml]
    return [problem for name, text in named for problem in _disputed(text, name)]


def _disputed(text: bytes, name: str) -> tuple[Problem, ...]:
    if b"{{" in text:
        return ()  # a template is no YAML yet
    try:
        return ambiguities(text, name=name)
    except InvalidDocument:
        return ()  # whoever needs the file says it
