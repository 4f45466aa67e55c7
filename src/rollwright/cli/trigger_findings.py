"""What ``lint`` finds in what starts runs: files of Triggers, and the triggers of a Rollout.

Before: ``lint`` was asked about a file or folder. After: every finding is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from rollwright.cli.findings import Finding, look
from rollwright.cli.options import Common
from rollwright.cli.session import load, opened, site_of
from rollwright.documents import Document, load_all, nearest_line
from rollwright.engine.documents import FILE_NAMES
from rollwright.engine.listening.declared import TRIGGER_FILES, Declared, declared_in
from rollwright.engine.site import Site
from rollwright.errors import InvalidSpec, NotFound, Problem, RolloutError
from rollwright.rollouts.spec.trigger import TriggerSpec, is_trigger, parse_trigger
from rollwright.rollouts.spec.uses import Use


async def look_at(file: Path, common: Common, *, is_twice: bool = False) -> list[Finding]:
    """Return everything that is wrong with a rollout, with triggers, or with a folder of both."""
    triggers = list(trigger_files(file))
    found = [one for place in triggers for one in await _look_at_triggers(place, common)]
    is_rollout = file not in triggers and (not triggers or _has_rollout(file))
    if not is_rollout:
        return found
    return [*await look(file, common, is_twice=is_twice), *await _own(file, common), *found]


def trigger_files(file: Path) -> Iterator[Path]:
    """Yield the files of triggers that a path names: itself, or those right in the folder."""
    if file.is_dir():
        names = {place for name in TRIGGER_FILES for place in file.glob(name)}
        yield from sorted(names)
    elif any(map(file.match, TRIGGER_FILES)) or _holds_trigger(file):
        yield file


def _has_rollout(folder: Path) -> bool:
    return any((folder / name).is_file() for name in FILE_NAMES)


def _holds_trigger(file: Path) -> bool:
    try:
        documents = _read(file)
    except RolloutError:
        return False
    return bool(documents) and is_trigger(documents[0].value)


async def _look_at_triggers(file: Path, common: Common) -> list[Finding]:
    try:
        documents = _read(file)
    except RolloutError as error:
        return [_error(str(file), "", error.message)]
    if not documents:
        return [_error(str(file), "", "no document; expected Triggers")]
    async with site_of(file, common) as site:
        declared = declared_in(site.loaded) if site.loaded.path else None
        return [
            one for document in documents for one in _look_at_one(file, document, site, declared)
        ]


def _read(file: Path) -> tuple[Document, ...]:
    try:
        return load_all(file.read_bytes(), name=str(file))
    except OSError as error:
        raise NotFound(f"cannot be read: {error.strerror}") from error


def _look_at_one(
    file: Path, document: Document, site: Site, declared: Declared | None
) -> Iterator[Finding]:
    if not is_trigger(document.value):
        words = "not a Trigger; a file of triggers holds no more"
        yield _error(f"{file}:{document.line}", "", words)
        return
    line_of = partial(nearest_line, document)
    try:
        trigger = parse_trigger(document.value, name=str(file), line_of=line_of)
    except InvalidSpec as error:
        yield from (Finding(problem=problem) for problem in error.problems)
        return
    where = f"{file}:{line_of(('spec', 'when'))}"
    several = len(trigger.when) > 1
    for index, use in enumerate(trigger.when):
        path = f"spec.when[{index}].with" if several else "spec.when.with"
        yield from _mistakes(site, use, where, path)
    if declared is not None:
        where = f"{file}:{line_of(('spec', 'rollouts'))}"
        yield from _lost(trigger, declared, where)


def _lost(trigger: TriggerSpec, declared: Declared, where: str) -> Iterator[Finding]:
    """Find rollouts that are named and not declared, and labels that nobody has."""
    for index, choice in enumerate(trigger.rollouts):
        path = f"spec.rollouts[{index}]"
        if choice.name and choice.name not in declared.rollouts:
            known = ", ".join(sorted(declared.rollouts)) or "none"
            yield _error(where, path, f"no rollout {choice.name!r} in the site; known: {known}")
        elif choice.select is not None and not _chosen(trigger, index, declared):
            words = "no rollout of the site has these labels"
            yield Finding(problem=Problem(where=where, path=path, message=words), is_error=False)


def _chosen(trigger: TriggerSpec, index: int, declared: Declared) -> bool:
    alone = trigger.model_copy(update={"rollouts": (trigger.rollouts[index],)})
    return bool(declared.chosen(alone))


async def _own(file: Path, common: Common) -> list[Finding]:
    """Look at the triggers that a rollout declares of itself."""
    try:
        loaded = load(file, common)
    except RolloutError:
        return []  # it was told already
    if not loaded.spec.triggers:
        return []
    async with opened(common, loaded) as site:
        found: list[Finding] = []
        for index, own in enumerate(loaded.spec.triggers):
            line = nearest_line(loaded.document, ("spec", "triggers", index))
            use = Use(name=own.use, options=own.options)
            path = f"spec.triggers[{index}].with"
            found += _mistakes(site, use, f"{loaded.path}:{line}", path)
    return found


def _mistakes(site: Site, use: Use, where: str, path: str) -> Iterable[Finding]:
    """Return what is wrong with the plugin of a trigger and its options."""
    try:
        site.registry.build("triggers", use.name, use.options, where=where, path=path)
    except InvalidSpec as error:
        return [Finding(problem=problem) for problem in error.problems]
    except RolloutError as error:
        message = error.message.removeprefix(f"{where}: ").removeprefix(f"{path}: ")
        return [_error(where, path.removesuffix(".with"), message)]
    return ()


def _error(where: str, path: str, message: str) -> Finding:
    return Finding(problem=Problem(where=where, path=path, message=message))
