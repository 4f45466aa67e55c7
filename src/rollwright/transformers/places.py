"""Places inside an object, as transformers name them: a JSON pointer or a dotted path.

``/spec/template/spec/containers/0/image`` and ``spec.template.spec.containers[name=web].image``
mean such a place; ``[*]`` means every item or value, ``[0]`` one item, ``["a.b/c"]`` a key that
holds dots, ``[name=web,protocol=TCP]`` the items with these values, ``[-]`` (in a pointer: ``-``)
the end of a list. A change copies the way to its place and shares the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator

from rollwright.errors import excerpt

ABSENT: Final = object()
"""What stands at a place where nothing is; a change that returns it removes what stood there."""

Change: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Each:
    """Every item of a list, every value of a mapping."""


@dataclass(frozen=True, slots=True)
class End:
    """Behind the last item of a list."""


@dataclass(frozen=True, slots=True)
class Where:
    """The items of a list whose fields are written so, or hold it; or a mapping if it is so."""

    fields: tuple[tuple[str, str], ...]

    def means(self, item: Any) -> bool:
        """Tell whether an item is meant."""
        return isinstance(item, Mapping) and all(
            key in item and _holds(item[key], value) for key, value in self.fields
        )


Step: TypeAlias = str | int | Each | End | Where

_EACH, _END = Each(), End()
_BARE = re.compile(r"(?:[^.\[\]\\]|\\.)+")
_BRACKET = re.compile(r"""\[((?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\]"'])*)\]""")
_QUOTED = re.compile(r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)')""")
_FIELD = re.compile(r"""\s*([^=,"']+?)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,]*?)\s*(?:,|$)""")


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[Step, ...]:
    """Return the steps of a path.

    Raises:
        ValueError: It is neither a pointer nor a dotted path.
    """
    if path.startswith("/"):
        return tuple(_pointer_step(part) for part in path[1:].split("/"))
    steps, position = [], 0
    while position < len(path):
        step, position = _next(path, position)
        steps.append(step)
    if not steps:
        raise ValueError("a path must not be empty")
    return tuple(steps)


def _pointer_step(part: str) -> Step:
    return _END if part == "-" else part.replace("~1", "/").replace("~0", "~")


def _next(path: str, position: int) -> tuple[Step, int]:
    if path[position] == "[":
        found = _BRACKET.match(path, position)
        step: Step = _bracket_step(found[1].strip()) if found else ""
    else:
        position += path[position] == "." and position > 0
        found = _BARE.match(path, position)
        step = re.sub(r"\\(.)", r"\1", found[0]) if found else ""
    if found is None or step == "":
        raise ValueError(
            f"not a path at {excerpt(path[position:], 40)!r}; such as spec.a[name=b].c"
        )
    return step, found.end()


def _bracket_step(text: str) -> Step:
    if text == "*":
        return _EACH
    if text == "-":
        return _END
    if text.isdecimal():
        return int(text)
    if _QUOTED.fullmatch(text):
        return _unquoted(text)
    fields = tuple((found[1], _unquoted(found[2])) for found in _FIELD.finditer(text))
    return Where(fields) if fields else text


def _unquoted(text: str) -> str:
    found = _QUOTED.fullmatch(text)
    if found is None:
        return text
    return re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]


def _is_path(path: str) -> str:
    parse(path)
    return path


FieldPath = Annotated[str, AfterValidator(_is_path)]
"""An option that names a place."""


def changed(value: Any, steps: tuple[Step, ...], change: Change, *, create: bool = False) -> Any:
    """Return a value with what stands at a place changed; the very same if nothing changes.

    Args:
        value: Where the place is looked for.
        steps: The way to it.
        change: Gets what stands there, ``ABSENT`` for a last key or item that is not there.
        create: Whether mappings on the way are made where nothing is.
    """
    if not steps:
        return change(value)
    if value is ABSENT or value is None:
        if not create or not isinstance(steps[0], str):
            return value
        value = {}
    if isinstance(value, Mapping):
        return _in_mapping(value, steps, change, create=create)
    if isinstance(value, list):
        return _in_list(value, steps, change, create=create)
    return value


def _in_mapping(
    value: Mapping[str, Any], steps: tuple[Step, ...], change: Change, *, create: bool
) -> Any:
    step, rest = steps[0], steps[1:]
    if isinstance(step, Where):
        return changed(value, rest, change, create=create) if step.means(value) else value
    if isinstance(step, Each):
        keys = list(value)
    elif isinstance(step, str):
        keys = [step] if step in value or not rest or create else []
    else:
        keys = []
    result = dict(value)
    for key in keys:
        new = changed(value.get(key, ABSENT), rest, change, create=create)
        if new is ABSENT:
            result.pop(key, None)
        else:
            result[key] = new
    is_same = result.keys() == value.keys() and all(result[key] is value[key] for key in result)
    return value if is_same else result


def _in_list(value: list[Any], steps: tuple[Step, ...], change: Change, *, create: bool) -> Any:
    step, rest = steps[0], steps[1:]
    if isinstance(step, End):
        added = changed(ABSENT, rest, change, create=True)
        return value if added is ABSENT else [*value, added]
    meant = set(_meant(value, step))
    items = [
        changed(item, rest, change, create=create) if index in meant else item
        for index, item in enumerate(value)
    ]
    kept = [item for item in items if item is not ABSENT]
    is_same = len(kept) == len(value) and all(a is b for a, b in zip(kept, value, strict=True))
    return value if is_same else kept


def _meant(items: list[Any], step: Step) -> list[int]:
    if isinstance(step, Each):
        return list(range(len(items)))
    if isinstance(step, Where):
        return [index for index, item in enumerate(items) if step.means(item)]
    text = str(step)
    return [int(text)] if text.isdecimal() and int(text) < len(items) else []


def found_at(value: Any, steps: tuple[Step, ...]) -> list[Any]:
    """Return what stands at a place; several where the path means several."""
    found: list[Any] = []

    def look(one: Any) -> Any:
        if one is not ABSENT:
            found.append(one)
        return one

    changed(value, steps, look)
    return found


def _holds(value: Any, text: str) -> bool:
    return any(_text(one) == text for one in (value if isinstance(value, list) else [value]))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
