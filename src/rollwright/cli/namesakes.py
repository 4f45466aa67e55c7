"""Names that a site declares twice: rollouts, and triggers wherever they stand.

Before: ``lint`` has the files to look at. After: each double is told with both of its places;
`listen` would leave one of the two out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollwright.cli.findings import Finding
from rollwright.cli.lint_targets import nearby
from rollwright.documents import Document, load_all, nearest_line
from rollwright.errors import Problem, RolloutError
from rollwright.rollouts.spec import KIND
from rollwright.rollouts.spec.trigger import TRIGGER_KIND, name_of_own

_OWN = b"triggers"
"""Where this does not stand in a rollout's file, it has no trigger of its own."""


@dataclass(frozen=True, slots=True)
class _Declared:
    """One name that a file declares: of a rollout or trigger, and where."""

    what: str
    name: str
    file: Path
    line: int
    path: str

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


def namesakes(mine: Collection[Path], all_files: Iterable[Path]) -> Iterator[Finding]:
    """Yield the names of some files that stand twice among all files of their site."""
    own = {file.resolve(): file for file in mine}
    files = {file.resolve(): file for file in all_files}
    looked_at = [one for key, file in own.items() if key in files for one in _names(file)]
    sought = {one.name.encode() for one in looked_at}
    others = (file for key, file in files.items() if key not in own and _may_hold(file, sought))
    found: dict[tuple[str, str], list[_Declared]] = defaultdict(list)
    for one in (*(one for file in others for one in _names(nearby(file))), *looked_at):
        found[one.what, one.name].append(one)
    for same in found.values():
        yield from _told(same, set(own.values()))


def _told(same: list[_Declared], mine: Collection[Path]) -> Iterator[Finding]:
    first, *later = same
    for one in later:
        if one.file in mine:
            message = f"{one.what} {one.name!r} is declared in {first.where}, too; rename one"
            yield Finding(problem=Problem(where=one.where, path=one.path, message=message))


def _may_hold(file: Path, sought: Collection[bytes]) -> bool:
    """Whether a file is worth reading: that costs a hundred times more than looking for words."""
    try:
        text = file.read_bytes()
    except OSError:
        return False
    return _OWN in text or any(name in text for name in sought)


def _names(file: Path) -> list[_Declared]:
    try:
        documents = load_all(file.read_bytes(), name=str(file))
    except (RolloutError, OSError):
        return []  # it is told where the file itself is looked at
    return [one for document in documents for one in _names_in(file, document)]


def _names_in(file: Path, document: Document) -> Iterator[_Declared]:
    value = document.value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    name = _text(_at(value, "metadata", "name"))
    if kind not in {KIND, TRIGGER_KIND} or not name:
        return
    line = nearest_line(document, ("metadata", "name"))
    yield _Declared(str(kind).lower(), name, file, line, "metadata.name")
    parts = _own_names(value, name) if kind == KIND else _part_names(value, name)
    for index, part in parts:
        field = "triggers" if kind == KIND else "when"
        line = nearest_line(document, ("spec", field, index))
        yield _Declared("trigger", part, file, line, f"spec.{field}[{index}]")


def _own_names(value: Any, rollout: str) -> Iterator[tuple[int, str]]:
    """Yield the triggers that a rollout declares of itself, by their places."""
    for index, own in enumerate(_list(_at(value, "spec", "triggers"))):
        use = _text(own.get("use") if isinstance(own, Mapping) else own)
        name = _text(own.get("name")) if isinstance(own, Mapping) else ""
        if name or use:
            yield index, name or name_of_own(rollout, use)


def _part_names(value: Any, trigger: str) -> Iterator[tuple[int, str]]:
    """Yield what the plugins of a trigger beyond the first are called."""
    count = len(_list(_at(value, "spec", "when")))
    return ((index, f"{trigger}-{index}") for index in range(1, count))


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
