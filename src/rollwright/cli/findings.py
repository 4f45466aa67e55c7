"""What ``lint`` finds: mistakes of documents and manifests, and what readers dispute.

Before: ``lint`` was asked about a file. After: every finding is printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from rollwright.cli.options import Common
from rollwright.cli.session import load, opened
from rollwright.documents import ambiguities
from rollwright.engine import operations
from rollwright.engine.course import find_course
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.site import Site
from rollwright.engine.stages import DIRECT
from rollwright.errors import (
    InvalidDocument,
    InvalidManifests,
    InvalidSpec,
    Problem,
    RenderError,
    RolloutError,
)
from rollwright.plugins import tree
from rollwright.rollouts.hooks.steps import set_apart
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.order import order_upserts
from rollwright.rollouts.spec.uses import Use
from rollwright.rollouts.steps.contradictions import contradictions
from rollwright.rollouts.steps.course import declared

_YAML = (".yaml", ".yml")
_PARTS = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_NO_DATA_MENDS = re.compile(
    r": (unexpected |expected token|Encountered unknown tag|No (filter|test) named|Missing end"
    r"|Expected |Did not expect|Unknown variable|Unterminated|Could not lex)|parse error at"
)
"""What engines of templates say of texts that no value makes right."""

Place: TypeAlias = tuple[str | int, ...]
WaitsFor: TypeAlias = Callable[[Site, LoadedRollout], str]
"""Names what brings the data that a rollout is rendered with; empty if it needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake, or something that only may be one."""

    problem: Problem
    is_error: bool = True
    is_note: bool = False
    """Whether it is no mistake at all, only good to know."""

    @property
    def severity(self) -> str:
        """How bad it is, in a word."""
        if self.is_note:
            return "note"
        return "error" if self.is_error else "warning"


async def look(
    file: Path, common: Common, waits_for: WaitsFor, *, is_twice: bool = False
) -> list[Finding]:
    """Return everything that is wrong with one rollout, or may be.

    Args:
        file: The rollout's.
        common: What the person typed.
        waits_for: Names what brings the data that the rollout cannot be rendered without.
        is_twice: Whether to render it twice.
    """
    try:
        loaded = load(file, common)
    except RolloutError as error:
        return list(errors_of(error, str(file)))
    warnings = [*_disputed(loaded.path.read_bytes(), str(loaded.path))]
    async with opened(common, loaded) as site:
        warnings += await _disputed_sources(site, loaded)
        try:
            wanted, others = await _rendered(site, loaded, is_twice=is_twice)
            notes = (*order_upserts(wanted).notes, *_checked_steps(site, loaded, wanted), *others)
        except RolloutError as error:
            found = error.warnings if isinstance(error, InvalidManifests) else ()
            told = _told(error, loaded, waits_for(site, loaded))
            return [*told, *_as_warnings(_once(warnings, found))]
    notes_of = (Problem(where=str(loaded.path), path="", message=note) for note in notes)
    return [*_as_warnings(_once(warnings, wanted.warnings)), *_as_warnings(notes_of)]


def _told(error: RolloutError, loaded: LoadedRollout, brought_by: str) -> Iterator[Finding]:
    """Tell why there are no objects; without the data that a run has it may be no mistake."""
    where = str(loaded.path)
    waits = isinstance(error, RenderError | InvalidManifests) and brought_by
    if not waits or _NO_DATA_MENDS.search(error.message):
        yield from errors_of(error, where)
        return
    message = f"rendering waits for what {brought_by} brings"
    if isinstance(error, InvalidManifests):
        # Values that are not there yet leave holes in objects; which mistake is one, nobody knows.
        yield from _as_warnings(error.problems)
    else:
        message += f"; without it: {error.message}"
    problem = Problem(where=where, path="", message=message)
    yield Finding(problem=problem, is_error=False, is_note=True)


def _checked_steps(site: Site, loaded: LoadedRollout, wanted: ManifestSet) -> tuple[str, ...]:
    """Return what a reviewer should know of the order of the declared steps.

    Raises:
        InvalidSpec: A step cannot be carried out; every mistake is told.
        InvalidManifests: The order of the steps cannot work.
    """
    spec = declared(loaded.spec, wanted)
    course = find_course(site, spec, set_apart(spec, wanted))
    return () if course is None else contradictions(course)


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


def mistakes(site: Site, group: str, use: Use, where: str, path: str) -> Iterable[Finding]:
    """Return what is wrong with a plugin that is named, and with its options under ``path``."""
    try:
        site.registry.build(group, use.name, use.options, where=where, path=path)
    except InvalidSpec as error:
        return [Finding(problem=problem) for problem in error.problems]
    except RolloutError as error:
        message = error.message.removeprefix(f"{where}: ").removeprefix(f"{path}: ")
        if error.hint and error.hint.startswith("did you mean"):
            message = f"{message}; {error.hint}"
        path = path.removesuffix(".with")
        return [Finding(problem=Problem(where=where, path=path, message=message))]
    return ()


def relocated(found: Finding, path: str, line_of: Callable[[Place], str]) -> Finding:
    """Return a finding about options below a path with the line of the very option."""
    problem = found.problem
    if not problem.path.startswith(path):
        return found
    parts = _PARTS.findall(problem.path.removeprefix(path))
    place = tuple(int(number) if number else name for number, name in parts)
    return replace(found, problem=replace(problem, where=line_of(place)))


def errors_of(error: RolloutError, file: str) -> Iterator[Finding]:
    """Yield a finding for each mistake that an error tells."""
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
