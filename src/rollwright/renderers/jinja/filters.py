"""What templates may call: filters that write values as JSON and YAML.

Before: ``environment`` made a sandbox. After: a template writes ``{{ values.labels | to_json }}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined

from rollwright.documents import dump


def to_json(value: Any) -> str:
    """Write a value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, default=_refuse)


def to_yaml(value: Any, level_indent: int = 0, indent: int = 2) -> str:
    """Write a value as YAML that begins on a line of its own.

    Args:
        value: What to write.
        level_indent: Spaces before each line.
        indent: Spaces that each level goes further in.
    """
    text = dump(_plain(value), indent=_spaces(indent))
    return "\n" + "".join(_margin(level_indent) + line + "\n" for line in text.splitlines())


def to_yaml_str(value: Any) -> str:
    """Write a text as one YAML scalar, quoted where it would read as something else."""
    return _scalar(_text(value)) + "\n"


def to_json_yaml_str(value: Any) -> str:
    """Write a value as JSON, and that as one YAML scalar."""
    return _scalar(to_json(value)) + "\n"


def to_yaml_str_block(value: Any, indent: int = 4, pretty_indent: int = 2) -> str:
    """Write a text as a YAML block.

    Args:
        value: The text.
        indent: Column of the key that the block belongs to.
        pretty_indent: Spaces that the block goes further in.
    """
    text, further = _text(value), _spaces(pretty_indent)
    if not _may_be_block(text):
        return json.dumps(text, ensure_ascii=False)
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    chomp = {0: "-", 1: ""}.get(ends, "+")
    # NB: a reader takes the first line's spaces for the block's own, unless it is told.
    sign = str(further) if body[:1] in {" ", "\n", ""} else ""
    margin = _margin(indent) + " " * further
    lines = [f"{margin}{line}" if line else "" for line in body.split("\n")]
    return "\n".join([f"|{sign}{chomp}", *lines, *[""] * max(ends - 1, 0)])


def to_json_yaml_str_block(value: Any, indent: int = 4, pretty_indent: int = 2) -> str:
    """Write a value as JSON on several lines, and that as a YAML block."""
    text = json.dumps(value, ensure_ascii=False, indent=_spaces(pretty_indent), default=_refuse)
    return to_yaml_str_block(text, indent, pretty_indent)


FILTERS: Mapping[str, Callable[..., str]] = {
    "to_json": to_json,
    "to_yaml": to_yaml,
    "to_yaml_str": to_yaml_str,
    "to_json_yaml_str": to_json_yaml_str,
    "to_yaml_str_block": to_yaml_str_block,
    "to_json_yaml_str_block": to_json_yaml_str_block,
}

_MOST_SPACES = 200
_FEWEST_FURTHER, _MOST_FURTHER = 1, 9


def _scalar(text: str) -> str:
    """Return a text as one line of YAML."""
    written = dump([text]).removeprefix("- ").rstrip("\n")
    return written if "\n" not in written else json.dumps(text, ensure_ascii=False)


def _may_be_block(text: str) -> bool:
    """Whether a block keeps every character: it holds no other line breaks or controls."""
    is_plain = all(char.isprintable() or char in "\n\t" for char in text)
    return bool(text.strip("\n")) and is_plain and not text.startswith("\t")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    return str(value)


def _margin(count: int) -> str:
    if not 0 <= int(count) <= _MOST_SPACES:
        raise ValueError(f"expected 0 to {_MOST_SPACES} spaces, got {count}")
    return " " * int(count)


def _spaces(count: int) -> int:
    if not _FEWEST_FURTHER <= int(count) <= _MOST_FURTHER:
        raise ValueError(f"expected {_FEWEST_FURTHER} to {_MOST_FURTHER} spaces, got {count}")
    return int(count)


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it: what templates pass may be chained or lazy."""
    return json.loads(to_json(value))


def _refuse(value: Any) -> Any:
    """Make plain what is no JSON itself; whatever is undefined says so."""
    if isinstance(value, Undefined):
        str(value)  # raises what is undefined
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "as_json"):
        return value.as_json()
    raise TypeError(f"a {type(value).__name__} has no JSON")
