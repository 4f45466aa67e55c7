"""Which files ``lint`` looks at: those that are named, those of folders, or a whole site.

Before: somebody asked, with or without paths. After: each file is looked at, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rollwright.documents import load_all
from rollwright.engine.documents import FILE_NAMES
from rollwright.engine.listening.declared import TRIGGER_FILES, declaring_files
from rollwright.engine.site_file import LoadedSite
from rollwright.errors import RolloutError
from rollwright.rollouts.spec.trigger import is_trigger

_OURS = b"rollwright.dev/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Files to look at: of rollouts, and of triggers."""

    rollouts: tuple[Path, ...]
    triggers: tuple[Path, ...]


def targets(paths: Iterable[Path]) -> Targets:
    """Return the files that paths name; a path that leads to none stands for a rollout's."""
    rollouts: dict[Path, Path] = {}
    triggers: dict[Path, Path] = {}
    for path in paths:
        found = list(_files_of(path)) or [path]
        for file in found:
            chosen = triggers if _is_trigger_file(file) else rollouts
            chosen.setdefault(file.resolve(), file)
    return Targets(rollouts=tuple(rollouts.values()), triggers=tuple(triggers.values()))


def targets_of_site(site: LoadedSite) -> Targets:
    """Return every file that a site declares rollouts or triggers in."""
    found = [nearby(file) for file in declaring_files(site)]
    return targets(one for one in found if not _is_of_source(one, found))


def nearby(file: Path) -> Path:
    """Return a path as a person in this folder would write it."""
    try:
        return file.relative_to(Path.cwd())
    except ValueError:
        return file


def _files_of(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    names = (*FILE_NAMES, *TRIGGER_FILES)
    found = sorted({file for name in names for file in path.rglob(name) if file.is_file()})
    yield from (file for file in found if not _is_of_source(file, found))


def _is_of_source(file: Path, found: Iterable[Path]) -> bool:
    """Whether a file below a rollout's folder is one of its manifests that is called so, too."""
    above = {one.parent for one in found if one.name in FILE_NAMES and one != file}
    return any(folder in above for folder in file.parent.parents) and not _is_ours(file)


def _is_ours(file: Path) -> bool:
    try:
        return _OURS in file.read_bytes()
    except OSError:
        return True  # whoever reads it says why it cannot be


def _is_trigger_file(file: Path) -> bool:
    return any(map(file.match, TRIGGER_FILES)) or _holds_trigger(file)


def _holds_trigger(file: Path) -> bool:
    if file.is_dir() or file.name in FILE_NAMES:
        return False
    try:
        documents = load_all(file.read_bytes(), name=str(file))
    except (RolloutError, OSError):
        return False
    return bool(documents) and is_trigger(documents[0].value)
