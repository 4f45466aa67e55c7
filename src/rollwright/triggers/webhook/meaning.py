"""What a genuine delivery says, whoever sent it.

Before: the origin was shown and the body read. After: ``choice`` says which rollouts it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from rollwright.errors import excerpt
from rollwright.plugins.contracts import Push

PING = "ping"
"""What a test delivery is called here, whatever its sender calls it."""

_LONGEST_NAME = 1024
_LONGEST_ACTOR = 80
_MILLISECONDS = 1e11
"""A number of seconds that large lies three thousand years ahead, so it counts milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A delivery as it can be read: header names in lower case, the body as a value."""

    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a delivery says.

    Attributes:
        event: What happened, in the sender's words; ``ping`` for a test.
        id: The sender's id of the delivery; empty if it has none.
        pushes: What happened to which ref; empty where it says nothing of a repository.
        is_push: Whether it is about new contents, what is looked at without being asked for.
        sent_at: When it was sent, if it says so.
        actor: Who caused it.
    """

    event: str = ""
    id: str = ""
    pushes: tuple[Push, ...] = ()
    is_push: bool = True
    sent_at: datetime | None = None
    actor: str = ""


Read: TypeAlias = Callable[[Sent], Meaning]
"""Reads what a delivery of one kind of sender says; what is not there is empty."""


def at(value: Any, *path: str | int) -> Any:
    """Return what stands at a place; ``None`` if there is no such place."""
    for part in path:
        if isinstance(part, int):
            is_there = isinstance(value, list) and -len(value) <= part < len(value)
            value = value[part] if is_there else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def text(value: Any, *path: str | int) -> str:
    """Return the text at a place; empty for anything else, and for what no name is as long as."""
    found = at(value, *path)
    return found if isinstance(found, str) and len(found) <= _LONGEST_NAME else ""


def items(value: Any, *path: str | int) -> tuple[Any, ...]:
    """Return the list at a place; empty for anything else."""
    found = at(value, *path)
    return tuple(found) if isinstance(found, list) else ()


def texts(value: Any, *path: str | int) -> tuple[str, ...]:
    """Return the texts of the list at a place."""
    return tuple(one for one in items(value, *path) if isinstance(one, str))


def person(*names: str) -> str:
    """Return the first name that is there, fit to be shown."""
    name = next((one for one in names if one.strip()), "")
    return excerpt("".join(one if one.isprintable() else "?" for one in name), _LONGEST_ACTOR)


def instant(value: Any) -> datetime | None:
    """Read an instant: RFC 3339 text, or seconds or milliseconds since 1970."""
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC)
    except (OverflowError, OSError, ValueError):
        return None
