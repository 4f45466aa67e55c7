"""From parser events to JSON values, within limits.

Before: ``reading`` decoded the text and refused what is too large.
After: ``reading`` wraps each value in a ``Document``.

Values are built from libyaml's events, not from its node tree: nothing recurses, an alias is
counted before it is copied, and a document of many million nodes is refused while it is read.
It is also twice as fast as PyYAML's own composer and constructor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import yaml

from rollwright.documents.scalars import TAG, ScalarError, read_key, read_plain, read_tagged

_Base: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_MERGE: Final = object()
"""Stands for an unquoted ``<<`` where a key is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one text may cost.

    Attributes:
        size: Bytes of the text.
        depth: Collections within collections, after aliases are expanded. What walks values
            recurses, so keep it well below Python's own limit.
        nodes: Scalars and collections of all documents, after aliases are expanded.
        documents: Documents of one stream, empty ones included.
    """

    size: int = 16 * 2**20
    depth: int = 200
    nodes: int = 2_000_000
    documents: int = 100_000


DEFAULT_LIMITS: Final = Limits()


class AnchorError(ScalarError):
    """An alias that leads nowhere; ``bare`` says so without its name, which may be a value.

    ``password: *hunter2`` was meant as text by whoever wrote it.
    """

    def __init__(self, message: str, bare: str, hint: str) -> None:
        super().__init__(message, hint)
        self.bare = bare


class DuplicateKey(ScalarError):
    """A key that stands twice in one mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedValue:
    """One document of a stream and where it stands in the text.

    ``start`` and ``end`` are offsets in characters; ``line`` is that of the first node and
    ``start_line`` that of ``start``, both counted from 1.
    """

    value: Any
    line: int
    start: int
    start_line: int
    end: int


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    size: int
    height: int


class _Root:
    """The bottom of the stack: takes the one value of a document."""

    __slots__ = ("height", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.height = 0

    def scalar(self, event: Any) -> None:
        self.value = _read(event)

    def add(self, value: Any) -> None:
        self.value = value

    def check_child(self) -> None:
        """Any node may stand here."""

    def check_alias(self, value: Any) -> None:
        """Any alias may stand here."""


class _Sequence(_Root):
    __slots__ = ("anchor", "first_node")

    def __init__(self, anchor: str | None, first_node: int) -> None:
        self.value: list[Any] = []
        self.height = 1
        self.anchor, self.first_node = anchor, first_node

    def scalar(self, event: Any) -> None:
        self.value.append(_read(event))

    def add(self, value: Any) -> None:
        self.value.append(value)


class _Mapping(_Root):
    __slots__ = ("anchor", "first_node", "key", "lines")

    def __init__(self, anchor: str | None, first_node: int) -> None:
        self.value: dict[str, Any] = {}
        self.height = 1
        self.anchor, self.first_node = anchor, first_node
        self.key: Any = None
        self.lines: dict[str, Any] = {}

    def scalar(self, event: Any) -> None:
        key = self.key
        if key is None:
            self.key = self._read_key(event)
        elif key is _MERGE:
            raise _merge_error()
        else:
            self.value[key] = _read(event)
            self.key = None

    def add(self, value: Any) -> None:
        if self.key is _MERGE:
            self._merge(value)
        else:
            self.value[self.key] = value
        self.key = None

    def check_child(self) -> None:
        if self.key is None:
            raise ScalarError("a key must be a scalar", "JSON has no keys that are collections")

    def check_alias(self, value: Any) -> None:
        self.check_child()
        if self.key is _MERGE and not isinstance(value, dict):
            raise _merge_error()

    def _read_key(self, event: Any) -> Any:
        text, is_plain = event.value, event.implicit[0]
        if text == "<<" and (is_plain or event.tag == f"{TAG}merge"):
            return self._merge_key()
        key = read_key(event.tag, text, is_plain=is_plain)
        mark = event.start_mark
        if key in self.lines:
            raise DuplicateKey(
                f"key {key!r} stands twice, first at line {self.lines[key].line + 1}",
                "keep one of the two; kubectl would silently take the last",
            )
        self.lines[key] = mark
        return key

    def _merge_key(self) -> Any:
        if self.value:
            raise ScalarError(
                "the merge key << must come first in its mapping",
                "move << to the top: kubectl lets it win over the keys above, kustomize does not",
            )
        return _MERGE

    def _merge(self, value: Any) -> None:
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            raise _merge_error()
        for part in reversed(parts):
            self.value.update(part)


def _merge_error() -> ScalarError:
    return ScalarError("<< takes a mapping or a list of mappings", "quote a key named '<<'")


def _read(event: Any) -> Any:
    tag = event.tag
    if tag is None:
        return read_plain(event.value) if event.implicit[0] else event.value
    return read_tagged(tag, event.value)


class KubeLoader(_Base):  # type: ignore[misc]  # (the base is chosen at import, by what was built)
    """Reads a YAML stream with Kubernetes' rules."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}
    yaml_constructors: ClassVar[dict[Any, Any]] = {}
    yaml_multi_constructors: ClassVar[dict[Any, Any]] = {}

    def __init__(self, stream: str, limits: Limits = DEFAULT_LIMITS) -> None:
        # kubectl reads line by line and ends each line: `a: |` keeps its last line break.
        super().__init__(stream if stream.endswith("\n") else f"{stream}\n")
        self._limits = limits
        self._nodes = 0
        self._stack: list[Any] = []
        self._frame: Any = _Root()
        self._anchors: dict[str, Any] = {}

    def documents(self) -> Iterator[LoadedValue]:
        """Yield every document of the stream, empty ones too.

        Raises:
            yaml.YAMLError: The text is not YAML; its ``problem_mark`` says where.
        """
        while self.check_data():
            yield self._document()

    def check_data(self) -> bool:
        """Tell whether another document follows."""
        if self.check_event(yaml.StreamStartEvent):
            self.get_event()
        return not self.check_event(yaml.StreamEndEvent)

    def get_data(self) -> Any:
        """Return the next value: what ``yaml.load_all`` calls."""
        return self._document().value

    def get_single_data(self) -> Any:
        """Return the value of the first document: what ``yaml.load`` calls."""
        return self._document().value if self.check_data() else None

    def _document(self) -> LoadedValue:
        start: Any = self.get_event()
        if start.version or start.tags:
            why = ScalarError("a document must not begin with a % directive", "remove the line")
            raise _error(start, why)
        self._stack, self._frame, self._anchors = [], _Root(), {}
        first: Any = self.get_event()
        end = self._build(first)
        return LoadedValue(
            value=self._frame.value,
            line=first.start_mark.line + 1,
            start=start.start_mark.index,
            start_line=start.start_mark.line + 1,
            end=end.end_mark.index,
        )

    def _build(self, event: Any) -> Any:
        """Build the value of one document into the root frame; return the event that ends it."""
        try:
            get_event, handlers, end = self.get_event, _HANDLERS, yaml.DocumentEndEvent
            while event.__class__ is not end:
                handlers[event.__class__](self, event)
                event = get_event()
        except ScalarError as error:
            raise _error(event, error) from error
        return event

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > self._limits.nodes:
            raise ScalarError(f"more than {self._limits.nodes:,} nodes", _TOO_LARGE)

    def _check_depth(self, depth: int) -> None:
        if depth > self._limits.depth:
            raise ScalarError(f"nested deeper than {self._limits.depth} levels", _TOO_LARGE)

    def _on_scalar(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            self._count(0)
        self._frame.scalar(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = event

    def _on_start(self, event: Any) -> None:
        self._count(1)
        self._frame.check_child()
        self._stack.append(self._frame)
        self._check_depth(len(self._stack))
        kind = _Mapping if event.__class__ is yaml.MappingStartEvent else _Sequence
        self._frame = kind(event.anchor, self._nodes)
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _on_end(self, _event: Any) -> None:
        frame, parent = self._frame, self._stack.pop()
        parent.add(frame.value)
        parent.height = max(parent.height, frame.height + 1)
        self._frame = parent
        if frame.anchor is not None:
            size = self._nodes - frame.first_node + 1
            self._anchors[frame.anchor] = _Anchored(frame.value, size, frame.height)

    def _on_alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            message = f"no anchor {event.anchor!r} before this alias"
            raise AnchorError(message, "no anchor before this alias", _ANCHOR_HINT)
        anchored = self._anchors[event.anchor]
        if anchored is None:
            message = f"anchor {event.anchor!r} contains itself"
            raise AnchorError(message, "an anchor contains itself", _NO_CYCLES)
        if not isinstance(anchored, _Anchored):
            self._count(1)
            self._frame.scalar(anchored)
            return
        self._frame.check_alias(anchored.value)
        self._count(anchored.size)
        self._check_depth(len(self._stack) + anchored.height)
        self._frame.add(_copy(anchored.value))
        self._frame.height = max(self._frame.height, anchored.height + 1)


_TOO_LARGE: Final = "split the document"
_ANCHOR_HINT: Final = "check the spelling; quote a text that begins with *"
_NO_CYCLES: Final = "write the value out; JSON has no cycles"

_HANDLERS: Final[dict[type, Callable[[KubeLoader, Any], None]]] = {
    yaml.ScalarEvent: KubeLoader._on_scalar,  # noqa: SLF001  (the table of this very class)
    yaml.MappingStartEvent: KubeLoader._on_start,  # noqa: SLF001  (the table of this very class)
    yaml.SequenceStartEvent: KubeLoader._on_start,  # noqa: SLF001  (the table of this very class)
    yaml.MappingEndEvent: KubeLoader._on_end,  # noqa: SLF001  (the table of this very class)
    yaml.SequenceEndEvent: KubeLoader._on_end,  # noqa: SLF001  (the table of this very class)
    yaml.AliasEvent: KubeLoader._on_alias,  # noqa: SLF001  (the table of this very class)
}


class KubeError(yaml.MarkedYAMLError):
    """A text that is YAML, and that Kubernetes could not hold; ``note`` is the hint.

    ``bare`` is the problem without a word of the text.
    """

    bare = ""


def _error(event: Any, error: ScalarError) -> KubeError:
    found = KubeError(problem=error.message, problem_mark=event.start_mark, note=error.hint)
    found.bare = getattr(error, "bare", error.message)
    return found


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
