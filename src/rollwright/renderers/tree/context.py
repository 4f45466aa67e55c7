"""``ktor``: values that a folder sees from the folders above, and changes for those below only.

Before: a script or the rollout's ``config`` set values. After: scripts and templates read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from typing import Any

GLOBALS = "globals"


class Context:
    """Values of one folder, chained to those of the folder above (TRE-15 to TRE-19).

    Assigning a mapping makes a namespace that is chained to the parent's of the same name.
    Reading an inherited namespace gives one of the folder's own, so that changing it stays here.
    """

    def __init__(
        self, values: Mapping[str, Any] | None = None, parent: Context | None = None
    ) -> None:
        object.__setattr__(self, "_own", dict(values or {}))
        object.__setattr__(self, "_parent", parent)

    _own: dict[str, Any]
    _parent: Context | None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._own:
            return self._own[name]
        found = None if self._parent is None else self._parent._find(name)  # noqa: SLF001  (ours)
        if found is None:
            raise AttributeError(f"no value {name!r}")
        value = found[0]
        if isinstance(value, Context) and name != GLOBALS:
            value = self._own[name] = type(value)(parent=value)
        return Lent(value, self, name) if isinstance(value, list) else value

    def _find(self, name: str) -> tuple[Any] | None:
        place: Context | None = self
        while place is not None:
            if name in place._own:  # noqa: SLF001  (ours)
                return (place._own[name],)  # noqa: SLF001  (ours)
            place = place._parent  # noqa: SLF001  (ours)
        return None

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise AttributeError(f"no value may be called {name!r}")
        if isinstance(value, dict):
            found = None if self._parent is None else self._parent._find(name)  # noqa: SLF001  (ours)
            if found is not None and not isinstance(found[0], Context):
                raise ValueError(f"{name} is a single value above, and cannot become a namespace")
            value = Context(value, None if found is None else found[0])
        self._own[name] = value.copy() if isinstance(value, Lent) else value

    def __delattr__(self, name: str) -> None:
        if name not in self._own:
            raise AttributeError(f"no value {name!r} in this folder")
        del self._own[name]

    def __getitem__(self, name: str) -> Any:
        return self._own[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._own[name] = value

    def __delitem__(self, name: str) -> None:
        del self._own[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __dir__(self) -> Iterable[str]:
        above = dir(self._parent) if self._parent is not None else ()
        return sorted({*self._own, *above})

    def __iter__(self) -> Iterator[str]:
        return iter(dir(self))

    def __len__(self) -> int:
        return len(dir(self))

    def __repr__(self) -> str:
        return f"<values {', '.join(dir(self))}>"

    def as_json(self) -> dict[str, Any]:
        """Return the values as seen from here, without what is no JSON."""
        seen = {name: getattr(self, name) for name in dir(self)}
        return {name: one for name, one in seen.items() if _is_data(one)}


class Lent(MutableSequence[Any]):
    """A list of a folder above; the first change makes it one of the folder's own (TRE-17)."""

    def __init__(self, items: list[Any], owner: Context, name: str) -> None:
        self._items, self._owner, self._name = items, owner, name
        self._is_own = False

    def __getitem__(self, place: Any) -> Any:
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)

    def __setitem__(self, place: Any, value: Any) -> None:
        self._take()[place] = value

    def __delitem__(self, place: Any) -> None:
        del self._take()[place]

    def insert(self, index: int, value: Any) -> None:
        """Put a value before another."""
        self._take().insert(index, value)

    def sort(self, **how: Any) -> None:
        """Sort the list."""
        self._take().sort(**how)

    def copy(self) -> list[Any]:
        """Return a list of its own."""
        return list(self._items)

    def as_json(self) -> list[Any]:
        """Return the items."""
        return self.copy()

    def __add__(self, other: Any) -> list[Any]:
        return [*self._items, *other]

    def __eq__(self, other: object) -> bool:
        return self._items == (other._items if isinstance(other, Lent) else other)

    __hash__ = None  # type: ignore[assignment]  # (as of any list)

    def __repr__(self) -> str:
        return repr(self._items)

    def _take(self) -> list[Any]:
        if not self._is_own:
            self._items, self._is_own = list(self._items), True
            self._owner[self._name] = self._items
        return self._items


def _is_data(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list | dict | Context | Lent | None)
