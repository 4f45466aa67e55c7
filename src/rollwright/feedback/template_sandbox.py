"""The sandbox that one template is filled in: no way out, and nothing that grows without end.

Before: ``templates`` was asked to fill one. After: its text, or why there is none.

Whoever writes a template shares a process with the runs of others, so texts are counted before
they are made. Only ``templates`` imports this, when somebody has one: Jinja takes a while.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

LONGEST = 256 * 1024
"""Characters of a text that a template may make, with all it is made of."""
MAX_RANGE = 1000

_LARGEST_NUMBER, _LARGEST_EXPONENT, _WIDEST = 10**18, 64, 1000
_GROWING = frozenset({
    "batch", "center", "format", "pprint", "random", "slice", "urlize", "wordwrap", "xmlattr",
})  # fmt: skip
"""Filters of Jinja that make much of little, or never the same twice."""
_GROWING_METHODS = frozenset({
    "center", "encode", "expandtabs", "format", "format_map", "join", "ljust", "replace", "rjust",
    "translate", "zfill",
})  # fmt: skip
"""Methods of texts that do; the filters ``join`` and ``replace`` count first."""


class _Joining(NodeTransformer):
    """Makes ``a ~ b`` the filter ``join``, which counts."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  (Jinja's name)
        whole = nodes.List([self.visit(one) for one in node.nodes], lineno=node.lineno)
        return nodes.Filter(whole, "join", [], [], None, None, lineno=node.lineno)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja for one template."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        self.made = 0
        super().__init__(
            undefined=StrictUndefined, autoescape=False, optimized=False, cache_size=0,
            finalize=self.counted,
        )  # fmt: skip
        kept = {name: one for name, one in self.filters.items() if name not in _GROWING}
        narrow = {name: _narrow(kept[name]) for name in ("indent", "round", "truncate")}
        ours = {"join": self.joined, "replace": self.replaced, "tojson": _as_json}
        self.filters = {**kept, **narrow, **ours}
        self.globals = {"range": _short_range}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parsed: nodes.Template = _Joining().visit(super()._parse(source, name, filename))
        return parsed

    def counted(self, value: Any) -> Any:
        """Return what is written, once it is counted."""
        self.count(len(value if isinstance(value, str) else str(value)))
        return value

    def count(self, length: int) -> None:
        """Count characters, best before they are made.

        Raises:
            ValueError: They are too many.
        """
        self.made += length
        if self.made > LONGEST:
            raise ValueError(f"makes more than {LONGEST:,} characters")

    def joined(self, values: Iterable[Any], between: str = "", attribute: Any = None) -> str:
        """Return texts as one."""
        if attribute is not None:
            values = [self.getitem(one, attribute) for one in values]
        parts = [str(one) for one in values]
        self.count(sum(map(len, parts)) + len(str(between)) * len(parts))
        return str(between).join(parts)

    def replaced(self, text: Any, old: str, new: str, count: int = -1) -> str:
        """Return a text with parts of it replaced."""
        text, old, new = str(text), str(old), str(new)
        self.count(len(text) + text.count(old) * len(new))
        whole: str = text.replace(old, new, count)
        return whole

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may take an attribute."""
        is_growing = isinstance(obj, str | bytes) and attr in _GROWING_METHODS
        return not is_growing and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Give no format of texts either: a width may be any number."""
        del value
        return None

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Do what an operator says, if the result stays small."""
        self.count(_size(operator, left, right))
        return super().call_binop(context, operator, left, right)


def _size(operator: str, left: Any, right: Any) -> int:
    """Return how much an operator makes of texts and lists at most.

    Raises:
        ValueError: It is too much, whatever was made before.
    """
    if all(isinstance(one, int | float) for one in (left, right)):
        is_large = max(abs(left), abs(right)) > _LARGEST_NUMBER
        if is_large or (operator == "**" and right > _LARGEST_EXPONENT):
            raise ValueError(f"{operator}: the numbers are too large")
        return 0
    if operator != "+":
        raise ValueError(f"{operator}: takes numbers alone")
    return sum(len(one) for one in (left, right) if hasattr(one, "__len__"))


def _narrow(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that takes no number beyond what anybody needs."""

    def narrow(*values: Any, **named: Any) -> Any:
        for one in (*values[1:], *named.values()):
            _refuse_wide(one)
        return filter_(*values, **named)

    if hasattr(filter_, "jinja_pass_arg"):
        narrow.jinja_pass_arg = filter_.jinja_pass_arg  # type: ignore[attr-defined]  # what Jinja gives it first
    return narrow


def _refuse_wide(number: Any) -> None:
    if isinstance(number, int) and number > _WIDEST:
        raise ValueError(f"a filter takes numbers up to {_WIDEST}")


def _short_range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise ValueError(f"range: at most {MAX_RANGE} values")
    return found


def _as_json(value: Any, indent: int | None = None) -> str:
    _refuse_wide(indent)
    # Jinja's own escapes for HTML, which a body of JSON must not have.
    return json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=True)
