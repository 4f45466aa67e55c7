"""How kubectl, kustomize, YAML 1.2 and YAML 1.1 readers read one plain scalar.

``lint`` tells where they disagree, ``dumper`` quotes what any of them takes for more than text.
The facts of kustomize are those of versions 5.5 to 5.8, asked through ``kubectl kustomize``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isinf
from typing import Any, Final

import yaml

from rollwright.documents.scalars import (
    NO_JSON,
    NUMBER_STARTS,
    TAG,
    WORDS,
    ScalarError,
    narrow,
    read_key,
    read_plain,
)

_DATE = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?: [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?)?"
)
_CORE_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_CORE_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CORE_WORDS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_SUSPECTS: Final = frozenset({"=", "<<"})
_LONGEST_NUMBER: Final = 400


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader takes a plain scalar for."""

    kind: str
    value: Any = None

    def __str__(self) -> str:
        if self.kind == "text":
            return f"the text {self.value!r}"
        return f"the number {number_text(self.value)}" if self.kind == "number" else self.kind


ERROR: Final = Reading("an error")


def is_suspect(text: str) -> bool:
    """Tell whether any reader may take an unquoted scalar for more than text."""
    return text in WORDS or text in _SUSPECTS or text[0] in NUMBER_STARTS


def readings(text: str) -> list[tuple[str, Reading]]:
    """Return what each reader takes a plain scalar for; kubectl comes first."""
    return [(name, read(text)) for name, read in _READERS]


def key_readings(text: str) -> list[tuple[str, Reading]]:
    """Return what each reader takes a plain key for; kubectl comes first."""
    (kubectl, _), (kustomize, reading), *others = readings(text)
    strict = reading if reading.kind == "text" else ERROR
    return [(kubectl, _kubectl_key(text)), (kustomize, strict), *others]


def number_text(value: float) -> str:
    """Write a number as JSON does."""
    return str(value if isinstance(value, int) or isinf(value) else narrow(value))


def _kubectl_key(text: str) -> Reading:
    try:
        return Reading("text", read_key(None, text, is_plain=True))
    except ScalarError:
        return ERROR


def _reading(value: Any) -> Reading:
    if value is None:
        return Reading("null")
    if isinstance(value, bool):
        return Reading("true" if value else "false")
    return Reading("number" if isinstance(value, (int, float)) else "text", value)


def _kubectl(text: str) -> Reading:
    try:
        return _reading(read_plain(text))
    except ScalarError:
        return ERROR


def _kustomize(text: str) -> Reading:
    if text in WORDS:
        return _yaml_1_2(text)
    return Reading("a date") if _DATE.fullmatch(text) else _kubectl(text)


def _yaml_1_2(text: str) -> Reading:
    if text in _CORE_WORDS:
        return _reading(_CORE_WORDS[text])
    if text in NO_JSON:
        return Reading("an infinity or not-a-number")
    if _CORE_INTEGER.fullmatch(text) and len(text) < _LONGEST_NUMBER:
        base = {"0x": 16, "0o": 8}.get(text[:2], 10)
        return _reading(int(text[2:] if base != 10 else text, base))
    return _reading(float(text) if _CORE_FLOAT.fullmatch(text) else text)


_STOCK_RESOLVER: Final[Any] = yaml.resolver.Resolver()
_STOCK_CONSTRUCTOR: Final = yaml.constructor.SafeConstructor()


def _yaml_1_1(text: str) -> Reading:
    tag = _STOCK_RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
    if tag == f"{TAG}timestamp":
        return Reading("a date")
    if text in NO_JSON:
        return Reading("an infinity or not-a-number")
    try:
        node = yaml.ScalarNode(tag, text)
        return _reading(_STOCK_CONSTRUCTOR.construct_document(node))
    except (yaml.YAMLError, ValueError):
        return ERROR


_READERS: Final[tuple[tuple[str, Callable[[str], Reading]], ...]] = (
    ("kubectl", _kubectl),
    ("kustomize", _kustomize),
    ("YAML 1.2 readers", _yaml_1_2),
    ("YAML 1.1 readers (PyYAML)", _yaml_1_1),
)
