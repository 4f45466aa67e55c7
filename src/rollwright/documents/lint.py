"""Plain scalars that two readers take for two things.

The same file goes through kubectl, kustomize, editors and scripts, and each has rules of its
own. Where they disagree nobody can tell what was meant; quotes, or the value itself, can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import yaml

from rollwright.documents.loader import DEFAULT_LIMITS, KubeLoader, Limits
from rollwright.documents.places import Path, as_yaml, path_text
from rollwright.documents.readers import (
    ERROR,
    Reading,
    is_suspect,
    key_readings,
    number_text,
    readings,
)
from rollwright.documents.texts import cause_of, decode, explain
from rollwright.errors import InvalidDocument, Problem, excerpt


def ambiguities(
    text: str | bytes, *, name: str = "<text>", limits: Limits = DEFAULT_LIMITS
) -> tuple[Problem, ...]:
    """Find scalars and keys that kubectl, kustomize, YAML 1.2 and YAML 1.1 readers dispute.

    Raises:
        InvalidDocument: The text is not YAML at all.
    """
    if name.lower().endswith(".json"):
        return ()
    plain = decode(text, name, limits)
    if plain.lstrip()[:1] == "{":
        plain = as_yaml(plain)
    try:
        return tuple(_problems(plain, name, limits))
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise explain(error, plain, name) from cause_of(error, plain)


@dataclass(slots=True)
class _Frame:
    """An open collection: where the walk stands in it."""

    is_mapping: bool
    count: int = 0
    key: str | None = None

    def part(self) -> str | int:
        return self.count if self.key is None else self.key

    def expects_key(self) -> bool:
        return self.is_mapping and self.key is None

    def leave(self) -> None:
        """Go on behind a value."""
        self.key = None
        self.count += 1


def _problems(text: str, name: str, limits: Limits) -> Iterator[Problem]:
    stack: list[_Frame] = []
    page = _Page()
    for count, event in enumerate(yaml.parse(text, Loader=KubeLoader)):
        if count > limits.nodes:
            raise InvalidDocument(f"{name}: more than {limits.nodes:,} nodes", hint="split it")
        if isinstance(event, yaml.ScalarEvent):
            page.look(event, stack, name)
        elif isinstance(event, yaml.DocumentEndEvent):
            yield from page.problems()
            page = _Page()
        else:
            _follow(event, stack)
        if len(stack) > limits.depth:
            raise InvalidDocument(f"{name}: nested deeper than {limits.depth} levels")


def _follow(event: Any, stack: list[_Frame]) -> None:
    """Go where an event leads that is no scalar."""
    if isinstance(event, yaml.CollectionStartEvent):
        stack.append(_Frame(isinstance(event, yaml.MappingStartEvent)))
    elif isinstance(event, yaml.CollectionEndEvent):
        stack.pop()
        _move(stack, "?")
    elif isinstance(event, yaml.AliasEvent):
        _move(stack, f"*{event.anchor}")


@dataclass(slots=True)
class _Page:
    """One document: what is disputed in it, and where Secrets stand in it."""

    found: list[tuple[Path, Problem]] = field(default_factory=list)
    secrets: list[Path] = field(default_factory=list)

    def look(self, event: Any, stack: list[_Frame], name: str) -> None:
        path = _path(stack)
        if path[-1:] == ("kind",) and event.value in _SECRET_KINDS:
            self.secrets.append(path[:-1])
        self.found += ((path, one) for one in _look(event, stack, name))

    def problems(self) -> Iterator[Problem]:
        """Give what is disputed; of a Secret's value not even what it looks like."""
        for path, problem in self.found:
            yield replace(problem, message=_HIDDEN) if self._is_hidden(path) else problem

    def _is_hidden(self, path: Path) -> bool:
        # NB: the kind of an object may stand below its values.
        return any(
            path[: len(place)] == place and _SECRET_PARTS & set(path[len(place) :])
            for place in self.secrets
        )


_SECRET_KINDS: Final = frozenset({"Secret", "SecretList"})
_SECRET_PARTS: Final = frozenset({"data", "stringData"})
_HIDDEN: Final = "readers dispute what this value of a Secret is; quote it"


def _move(stack: list[_Frame], text: str) -> None:
    if not stack:
        return
    if stack[-1].expects_key():
        stack[-1].key = text
    else:
        stack[-1].leave()


def _look(event: Any, stack: list[_Frame], name: str) -> Iterator[Problem]:
    is_key = bool(stack) and stack[-1].expects_key()
    is_plain = event.implicit[0] and event.tag is None
    where = f"{name}:{event.start_mark.line + 1}"
    message = _dispute(event.value, stack, is_key=is_key) if is_plain else None
    if is_key:
        _move(stack, event.value)
    if message is not None:
        yield Problem(where=where, path=path_text(_path(stack)), message=message)
    if not is_key:
        _move(stack, event.value)


def _path(stack: list[_Frame]) -> Path:
    return tuple(frame.part() for frame in stack)


def _dispute(text: str, stack: list[_Frame], *, is_key: bool) -> str | None:
    if not is_suspect(text):
        return None
    if is_key and text == "<<":
        return _MERGE_LATE if stack[-1].count else None
    return _key_dispute(text) if is_key else _value_dispute(text)


_MERGE_LATE: Final = (
    "<< after other keys wins over them for kubectl and loses for kustomize and YAML 1.1 readers;"
    " move it to the top of its mapping"
)


@lru_cache(maxsize=1024)
def _value_dispute(text: str) -> str | None:
    found = readings(text)
    if len({reading for _, reading in found}) == 1:
        return None
    instead = [f"{_quoted(text)} for the text"]
    by_kubectl = found[0][1]
    if by_kubectl.kind not in {"text", ERROR.kind}:
        instead.append(f"{_value_text(by_kubectl)} for the value that kubectl reads")
    return f"{excerpt(text, 80)} is {_list(found)}; write {' or '.join(instead)}"


@lru_cache(maxsize=1024)
def _key_dispute(text: str) -> str | None:
    found = key_readings(text)
    if {reading for _, reading in found} == {Reading("text", text)}:
        return None
    return f"the key {excerpt(text, 80)} is {_list(found)}; write {_quoted(text)}"


def _list(found: list[tuple[str, Reading]]) -> str:
    """Write ``true for kubectl; the text 'y' for kustomize and YAML 1.2 readers``."""
    readers: dict[Reading, list[str]] = {}
    for reader, reading in found:
        readers.setdefault(reading, []).append(reader)
    return "; ".join(f"{reading} for {_names(names)}" for reading, names in readers.items())


def _names(names: list[str]) -> str:
    *head, last = names
    return f"{', '.join(head)} and {last}" if head else last


def _quoted(text: str) -> str:
    return repr(excerpt(text, 80))


def _value_text(reading: Reading) -> str:
    return number_text(reading.value) if reading.kind == "number" else reading.kind
