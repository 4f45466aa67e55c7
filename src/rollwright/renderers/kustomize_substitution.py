"""Variables in built objects: ``${var}`` and ``${var:=default}`` (RE-12).

Before: kustomize built the objects. After: they hold values of the rollout's ``config``.

Strict: a variable without a value is an error. A text that is one variable and nothing else
becomes its value, so that a number stays one, but where Kubernetes wants text it becomes text.
``$${var}`` gives ``${var}``; an object may opt out with an annotation or label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from rollwright.documents import load
from rollwright.errors import InvalidDocument

OPT_OUTS = ("rollwright.dev/substitute", "kustomize.toolkit.fluxcd.io/substitute")
DISABLED = "disabled"

_NAME = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*"
_VARIABLE = re.compile(
    rf"\$\$\{{|\$\{{(?P<name>{_NAME})(?P<default>:[=-][^}}]*)?\}}|\$\{{[^}}]*\}}?"
)
_TEXTS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "args", "command"})
_DATA = frozenset({"data", "stringData", "binaryData"})
_DATA_KINDS = frozenset({"ConfigMap", "Secret"})


class _Wanted(Enum):
    """What may stand in a field: anything, the variables of a container, or text only."""

    ANY = auto()
    VARIABLES = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A variable that could not be replaced: as it is written, and why."""

    path: str
    written: str
    why: str


@dataclass(slots=True)
class Substitution:
    """Replaces variables by values, and collects what it missed."""

    values: Mapping[str, Any]
    missed: list[Missed] = field(default_factory=list)

    def of(self, body: Any) -> Any:
        """Return an object with its variables replaced."""
        if not isinstance(body, Mapping) or _opts_out(body):
            return body
        is_data = body.get("kind") in _DATA_KINDS
        return {
            self._text(key, key): self._value(
                value, key, _Wanted.TEXT if is_data and key in _DATA else _inside(key)
            )
            for key, value in body.items()
        }

    def _value(self, value: Any, path: str, wanted: _Wanted) -> Any:
        if isinstance(value, Mapping):
            return {
                self._text(key, path): self._value(inner, f"{path}.{key}", _inside(key, wanted))
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [
                self._value(inner, f"{path}[{index}]", wanted) for index, inner in enumerate(value)
            ]
        if not isinstance(value, str):
            return value
        return self._text(value, path) if wanted is _Wanted.TEXT else self._typed(value, path)

    def _typed(self, text: str, path: str) -> Any:
        """Return the value of a text that is one variable; of any other, the text."""
        found = _VARIABLE.fullmatch(text)
        if not found or not found["name"]:
            return self._text(text, path)
        is_known, value = self._find(found["name"])
        if is_known and isinstance(value, str | int | float | bool):
            return value
        replaced = self._text(text, path)
        is_default = not is_known and found["default"]
        return _scalar(replaced) if is_default else replaced

    def _text(self, text: str, path: str) -> str:
        if "$" not in text:
            return text
        return _VARIABLE.sub(lambda found: self._replaced(found, path), text)

    def _replaced(self, found: re.Match[str], path: str) -> str:
        written, name = found[0], found["name"]
        if written == "$${":
            return "${"
        if not name:
            self._miss(path, written, "is no variable; $${…} stands for itself")
            return written
        is_known, value = self._find(name)
        if not is_known and found["default"]:
            return found["default"][2:]
        if not is_known:
            self._miss(path, written, "has no value in config")
            return written
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        self._miss(path, written, "is no text, number or boolean in config")
        return written

    def _miss(self, path: str, written: str, why: str) -> None:
        self.missed.append(Missed(path=path, written=written[:60], why=why))

    def _find(self, name: str) -> tuple[bool, Any]:
        """Look a name up; ``image.tag`` leads into maps, unless it is a key itself."""
        if name in self.values:
            return True, self.values[name]
        value: Any = self.values
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return False, None
            value = value[part]
        return True, value


def _inside(key: str, outer: _Wanted = _Wanted.ANY) -> _Wanted:
    """Return what may stand below a key."""
    if outer is _Wanted.TEXT or key in _TEXTS:
        return _Wanted.TEXT
    if outer is _Wanted.VARIABLES and key == "value":
        return _Wanted.TEXT
    return _Wanted.VARIABLES if key == "env" else _Wanted.ANY


def _opts_out(body: Mapping[str, Any]) -> bool:
    return any(str(text).casefold() == DISABLED for text in _marks(body))


def _marks(body: Mapping[str, Any]) -> Iterator[Any]:
    metadata = body.get("metadata")
    for part in ("annotations", "labels"):
        table = metadata.get(part) if isinstance(metadata, Mapping) else None
        if isinstance(table, Mapping):
            yield from (table[name] for name in OPT_OUTS if name in table)


def _scalar(text: str) -> Any:
    """Read a default as Kubernetes would; anything but a scalar stays text."""
    try:
        value = load(text, name="default")
    except InvalidDocument:
        return text
    return value if isinstance(value, str | int | float | bool) else text
