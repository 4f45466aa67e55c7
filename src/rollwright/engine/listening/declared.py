"""What a site declares that can start by itself: its rollouts and its triggers.

Before: ``rollwright listen`` or ``trigger`` opened a site.
After: each trigger is listened to; a file that cannot be read stops no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rollwright.documents import load_all, nearest_line
from rollwright.engine.documents import FILE_NAMES, LoadedRollout, load_rollout
from rollwright.engine.site_file import LoadedSite
from rollwright.errors import NotFound, RolloutError
from rollwright.rollouts.spec.trigger import TriggerSpec, is_trigger, parse_trigger, trigger_of

TRIGGER_FILES = tuple(
    f"{prefix}{name}.{suffix}"
    for prefix, name in (("", "trigger"), ("", "triggers"), ("*.", "trigger"))
    for suffix in ("yaml", "yml", "json")
)
"""What files of triggers are called; one may hold several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Rollouts by name, triggers, and what could not be read of either, for people.

    The rollouts of a service are one mapping as long as it lives; what is read anew is put there.
    """

    rollouts: dict[str, LoadedRollout]
    triggers: tuple[TriggerSpec, ...]
    faults: tuple[str, ...] = ()

    def chosen(self, trigger: TriggerSpec) -> tuple[LoadedRollout, ...]:
        """Return the rollouts that a trigger is for."""
        return tuple(
            one for one in self.rollouts.values() if trigger.chooses(one.spec.name, one.spec.labels)
        )

    def trigger(self, name: str) -> TriggerSpec:
        """Return a trigger by its name.

        Raises:
            NotFound: None is called so.
        """
        for one in self.triggers:
            if one.name == name:
                return one
        known = ", ".join(sorted(one.name for one in self.triggers)) or "none"
        raise NotFound(f"no trigger {name!r}; known: {known}")

    def rollout(self, name: str) -> LoadedRollout:
        """Return a rollout by its name.

        Raises:
            NotFound: None is called so.
        """
        if name in self.rollouts:
            return self.rollouts[name]
        known = ", ".join(sorted(self.rollouts)) or "none"
        raise NotFound(f"no rollout {name!r} in the site; known: {known}")


Load = Callable[[Path], LoadedRollout]
Read = Callable[[Path, list[str]], Iterable[TriggerSpec]]


def triggers_in(file: Path, faults: list[str]) -> Iterator[TriggerSpec]:
    """Yield the triggers of a file; what is wrong with it is added to the faults."""
    try:
        documents = load_all(file.read_bytes(), name=str(file))
    except (RolloutError, OSError) as error:
        faults.append(f"{file}: {error}" if isinstance(error, OSError) else str(error))
        return
    for document in documents:
        if not is_trigger(document.value):
            faults.append(
                f"{file}:{document.line}: not a Trigger; a file of triggers holds no more"
            )
            continue
        try:
            line_of = partial(nearest_line, document)
            yield parse_trigger(document.value, name=str(file), line_of=line_of)
        except RolloutError as error:
            faults.append(str(error))


def declared_in(
    site: LoadedSite, *, load: Load = load_rollout, read: Read = triggers_in
) -> Declared:
    """Read every rollout and trigger that ``[rollouts] paths`` leads to.

    Args:
        site: The site.
        load: Reads the rollout of a file.
        read: Reads the triggers of a file, and adds to the faults what is wrong with it.
    """
    rollouts: dict[str, LoadedRollout] = {}
    triggers: dict[str, TriggerSpec] = {}
    places: dict[str, Path] = {}
    faults: list[str] = []
    for file in _files(site, FILE_NAMES):
        try:
            loaded = load(file)
        except RolloutError as error:
            faults.append(str(error))
            continue
        twin = rollouts.setdefault(loaded.spec.name, loaded)
        if twin is not loaded:
            faults.append(f"{file}: rollout {loaded.spec.name!r} is declared in {twin.path}, too")
            continue
        for own in loaded.spec.triggers:
            trigger = trigger_of(own, loaded.spec.name)
            faults += _twice(trigger.name, file, places)
            triggers.setdefault(trigger.name, trigger)
    for file in _files(site, TRIGGER_FILES):
        for trigger in read(file, faults):
            faults += _twice(trigger.name, file, places)
            triggers.setdefault(trigger.name, trigger)
    _leave_out_namesakes(triggers, faults)
    _find_lost(rollouts, triggers, faults)
    return Declared(rollouts=rollouts, triggers=tuple(triggers.values()), faults=tuple(faults))


def _twice(name: str, file: Path, places: dict[str, Path]) -> Iterator[str]:
    """Say that a trigger is declared elsewhere, too; the first one counts."""
    if name in places:
        yield f"{file}: trigger {name!r} is declared in {places[name]}, too; rename one"
    places.setdefault(name, file)


def _leave_out_namesakes(triggers: dict[str, TriggerSpec], faults: list[str]) -> None:
    """Leave out what is called as one of several plugins of another trigger is, by its number."""
    for trigger in tuple(triggers.values()):
        for index in range(1, len(trigger.when)):
            name = f"{trigger.name}-{index}"
            if triggers.pop(name, None) is not None:
                faults.append(
                    f"trigger {name!r} is called as a part of {trigger.name!r} is; rename one"
                )


def _find_lost(
    rollouts: Mapping[str, LoadedRollout], triggers: Mapping[str, TriggerSpec], faults: list[str]
) -> None:
    for trigger in triggers.values():
        names = {choice.name for choice in trigger.rollouts if choice.name}
        faults += [
            f"trigger {trigger.name!r}: no rollout {name!r} in the site"
            for name in sorted(names - rollouts.keys())
        ]


def declaring_files(site: LoadedSite) -> Iterator[Path]:
    """Yield every file of a site that declares rollouts or triggers."""
    yield from _files(site, FILE_NAMES)
    yield from _files(site, TRIGGER_FILES)


def _files(site: LoadedSite, names: tuple[str, ...]) -> Iterator[Path]:
    seen: set[Path] = set()
    for place in map(site.resolve, site.file.rollouts.paths if site.path else ()):
        found = [place] if place.is_file() and any(map(place.match, names)) else []
        for file in (*found, *(one for name in names for one in sorted(place.rglob(name)))):
            if file not in seen:
                seen.add(file)
                yield file
