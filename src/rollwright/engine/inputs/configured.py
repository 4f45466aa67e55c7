"""What renderers get of ``config``: the values, and where each of them came from.

Before: ``configuration`` read the entries and laid them over one another.
After: ``rendering`` hands them to renderers; the site keeps what was given last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollwright.documents import path_text
from rollwright.engine.inputs.config_files import LineOf

ValuePath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one entry gives.

    Attributes:
        values: Its values, where they are put.
        origin: The entry or file that they stand in.
        line_of: Finds the line of a value in that file.
        hidden: Texts in them that are secret.
        premise: What was looked up, and the digest of what was found.
    """

    values: Mapping[str, Any] = field(repr=False)
    origin: str
    line_of: LineOf | None = field(default=None, repr=False)
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    premise: tuple[str, str] | None = None

    def origin_of(self, path: ValuePath) -> str:
        """Return where a value of this layer stands."""
        line = self.line_of(path) if self.line_of else 0
        return f"{self.origin}:{line}" if line else self.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What renderers get.

    Attributes:
        values: All entries, merged.
        data: JSON values by name: what a trigger watches, and the queries of the site.
        layers: The entries, in their order.
        premises: Digests of what was looked up, by its entry.
    """

    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    layers: tuple[Layer, ...] = ()
    premises: Mapping[str, str] = field(default_factory=dict)

    @property
    def hidden(self) -> frozenset[str]:
        """Texts of all layers that nobody may see."""
        return frozenset(text for layer in self.layers for text in layer.hidden)

    def origin_of(self, path: ValuePath) -> str | None:
        """Return where a final value came from; ``None`` if there is no such value (RE-21)."""
        for layer in reversed(self.layers):
            if _decides(layer.values, path):
                return layer.origin_of(path)
        return None

    @property
    def provenance(self) -> Mapping[str, str]:
        """Every final value's path, such as ``web.ports[0]``, and where it came from."""
        paths = leaves(self.values, ())
        return {path_text(path): self.origin_of(path) or "" for path in paths}


def _decides(values: Any, path: ValuePath) -> bool:
    """Whether a layer gives a value, or the list or text that holds it."""
    for key in path:
        if not isinstance(values, Mapping):
            return True
        if key not in values:
            return False
        values = values[key]
    return True


def leaves(value: Any, path: ValuePath) -> Iterator[ValuePath]:
    """Yield the path of every value that is neither a map nor a list with something in it."""
    inner: Iterator[tuple[str | int, Any]] | None = None
    if isinstance(value, Mapping) and value:
        inner = iter(value.items())
    elif isinstance(value, list) and value:
        inner = iter(enumerate(value))
    if inner is None:
        if path:
            yield path
        return
    for key, one in inner:
        yield from leaves(one, (*path, key))
