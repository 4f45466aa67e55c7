"""Values to YAML that every reader takes for the same values.

A string stays plain only if kubectl, kustomize, YAML 1.1 and YAML 1.2 readers all read a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import yaml

from rollwright.documents.readers import is_suspect, readings
from rollwright.documents.scalars import NO_JSON, NUMBER_STARTS, TAG, WORDS, parse_number
from rollwright.errors import InvalidDocument

_Base: Any = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper

_NO_WIDTH: Final = -1 if yaml.__with_libyaml__ else 2**31
"""Never fold a line: diffs stay stable. The C emitter overflows on infinity."""

_OTHER_BREAKS = re.compile("[\r\x85\u2028\u2029]")
_AMBIGUOUS: Final = "!ambiguous"
"""A tag that no node has: the emitter then quotes the scalar."""


class KubeDumper(_Base):  # type: ignore[misc]  # (the base is chosen at import, by what was built)
    """Writes YAML for Kubernetes: no aliases, no folded lines, nothing that reads two ways."""

    yaml_representers: ClassVar[dict[Any, Any]] = {}
    yaml_multi_representers: ClassVar[dict[Any, Any]] = {}

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (PyYAML's signature)
        """Write every value out: ``&id001`` has no place in a manifest."""
        return True

    def resolve(self, kind: Any, value: Any, implicit: tuple[bool, bool]) -> str:
        """Return the tag that every reader gives to a scalar, or one that no node has."""
        is_plain = kind is yaml.ScalarNode and implicit[0]
        if is_plain and is_suspect(value):
            return _suspect_tag(value)
        tag: str = super().resolve(kind, value, (False, True))
        return tag


def _suspect_tag(text: str) -> str:
    if text in WORDS:
        return f"{TAG}null" if WORDS[text] is None else f"{TAG}bool"
    number = parse_number(text) if text[0] in NUMBER_STARTS and text not in NO_JSON else None
    if number is not None:
        return f"{TAG}int" if isinstance(number, int) else f"{TAG}float"
    is_text = {reading.kind for _, reading in readings(text)} == {"text"}
    return f"{TAG}str" if is_text else _AMBIGUOUS


def _represent_str(dumper: Any, data: str) -> Any:
    return dumper.represent_scalar(f"{TAG}str", str(data), style=_style(data))


def _style(text: str) -> str | None:
    # NB: a literal block turns every kind of line break into \n when it is read.
    if _OTHER_BREAKS.search(text):
        return '"'
    return "|" if "\n" in text else None


def _represent_bool(dumper: Any, data: bool) -> Any:  # noqa: FBT001  (PyYAML's signature)
    return dumper.represent_scalar(f"{TAG}bool", "true" if data else "false")


def _represent_int(dumper: Any, data: int) -> Any:
    return dumper.represent_scalar(f"{TAG}int", str(int(data)))


def _represent_float(dumper: Any, data: float) -> Any:
    if data != data or data in {float("inf"), float("-inf")}:  # noqa: PLR0124  (not-a-number)
        raise InvalidDocument(f"JSON has no number {data}", hint="use null or a string")
    return dumper.represent_scalar(f"{TAG}float", repr(float(data)))


def _represent_none(dumper: Any, _data: None) -> Any:
    return dumper.represent_scalar(f"{TAG}null", "null")


def _represent_list(dumper: Any, data: Iterable[Any]) -> Any:
    return dumper.represent_sequence(f"{TAG}seq", data)


def _represent_dict(dumper: Any, data: dict[str, Any]) -> Any:
    for key in data:
        if not isinstance(key, str):
            kind = type(key).__name__
            raise InvalidDocument(f"a key must be a string; got {kind}", hint="name keys as text")
    return dumper.represent_mapping(f"{TAG}map", data)


def _represent_other(_dumper: Any, data: Any) -> Any:
    kind = type(data).__name__
    raise InvalidDocument(f"no JSON value for a {kind}", hint="convert it before writing")


KubeDumper.add_representer(type(None), _represent_none)
for _type, _representer in (
    (str, _represent_str),
    (bool, _represent_bool),
    (int, _represent_int),
    (float, _represent_float),
    (list, _represent_list),
    (tuple, _represent_list),
    (dict, _represent_dict),
):
    KubeDumper.add_representer(_type, _representer)
    KubeDumper.add_multi_representer(_type, _representer)
KubeDumper.add_representer(None, _represent_other)


def dump(value: Any, *, sort_keys: bool = False, indent: int = 2) -> str:
    """Write one JSON value as a YAML document; each level goes ``indent`` spaces further in.

    Raises:
        InvalidDocument: The value has no JSON form, or refers to itself.
    """
    try:
        text: str = yaml.dump(
            value,
            Dumper=KubeDumper,
            sort_keys=sort_keys,
            indent=indent,
            width=_NO_WIDTH,
            allow_unicode=True,
            default_flow_style=False,
        )
    except RecursionError as error:
        raise InvalidDocument("the value is nested too deeply to be written") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise InvalidDocument("the value holds text that YAML cannot hold") from error
    return text


def dump_all(values: Iterable[Any], *, sort_keys: bool = False) -> str:
    """Write several values as one stream, each after a ``---`` line of its own."""
    return "---\n".join(dump(value, sort_keys=sort_keys) for value in values)
