"""Triggers that cannot be made: each is left out, said with its line, and disturbs no other.

Before: a plugin was to be made of what a document says. After: people read which field is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rollwright.documents import Document, load_all, nearest_line
from rollwright.engine.documents import FILE_NAMES, load_rollout
from rollwright.engine.listening.declared import TRIGGER_FILES, declaring_files
from rollwright.engine.site import Site
from rollwright.engine.site_file import LoadedSite
from rollwright.errors import InvalidSpec, Problem, RolloutError
from rollwright.plugins.contracts import TriggerListener, TriggerReader
from rollwright.rollouts.spec.problems import path_text
from rollwright.rollouts.spec.trigger import TriggerSpec, is_trigger, trigger_of

_OPTIONS = "with"
_PARTS = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where one plugin of a trigger is named: a file, its document, a place in it."""

    file: Path
    document: Document
    at: tuple[str | int, ...]


def made(site: Site, trigger: TriggerSpec, index: int) -> TriggerListener | TriggerReader:
    """Return one plugin of a trigger.

    Raises:
        InvalidSpec: It cannot be made; said with the line of each field that is wrong.
    """
    use = trigger.when[index]
    try:
        plugin: TriggerListener | TriggerReader = site.registry.build(
            "triggers", use.name, use.options, path=_OPTIONS
        )
    except RolloutError as error:
        spot = _spot(site.loaded, trigger, index)
        raise InvalidSpec(tuple(_problems(error, spot, trigger)), hint=error.hint) from error
    return plugin


def in_a_line(error: InvalidSpec) -> str:
    """Return what is wrong with a trigger, each with its file and line."""
    return "; ".join(map(str, error.problems))


def _problems(error: RolloutError, spot: _Spot | None, trigger: TriggerSpec) -> Iterator[Problem]:
    found = (
        [(one.path, one.message) for one in error.problems]
        if isinstance(error, InvalidSpec)
        else [("use", error.message)]
    )
    for path, message in found:
        if spot is None:
            yield Problem(where=f"trigger {trigger.name}", path=path, message=message)
            continue
        line = nearest_line(spot.document, (*spot.at, *_place(path)))
        place = f"{path_text(spot.at)}.{path}"
        yield Problem(where=f"{spot.file}:{line}", path=place, message=message)


def _place(path: str) -> tuple[str | int, ...]:
    return tuple(int(number) if number else name for number, name in _PARTS.findall(path))


def _spot(site: LoadedSite, trigger: TriggerSpec, index: int) -> _Spot | None:
    """Return where a trigger says what starts its runs; ``None`` if its file is gone meanwhile."""
    found = (one for file in declaring_files(site) for one in _spots(file, trigger, index))
    return next(found, None)


def _spots(file: Path, trigger: TriggerSpec, index: int) -> Iterator[_Spot]:
    try:
        if any(map(file.match, FILE_NAMES)):
            yield from _own_spots(file, trigger)
        elif any(map(file.match, TRIGGER_FILES)):
            yield from _shared_spots(file, trigger, index)
    except (RolloutError, OSError):
        return  # it is told already that it cannot be read


def _own_spots(file: Path, trigger: TriggerSpec) -> Iterator[_Spot]:
    loaded = load_rollout(file)
    for number, own in enumerate(loaded.spec.triggers):
        if trigger_of(own, loaded.spec.name) == trigger:
            yield _Spot(file, loaded.document, ("spec", "triggers", number))


def _shared_spots(file: Path, trigger: TriggerSpec, index: int) -> Iterator[_Spot]:
    for document in load_all(file.read_bytes(), name=str(file)):
        if is_trigger(document.value) and _name(document) == trigger.name:
            is_list = isinstance(document.value["spec"]["when"], list)
            yield _Spot(file, document, ("spec", "when", *((index,) if is_list else ())))


def _name(document: Document) -> object:
    metadata = document.value.get("metadata")
    return metadata.get("name") if isinstance(metadata, dict) else None
