"""The sandbox that templates are rendered in: what they may reach, and how much of it.

Before: ``child`` read a request. After: ``pages`` renders templates one after another.

A template reaches the values, the other templates of its tree and our filters. Nothing is
random, nothing tells the time, and what could grow without end is refused before it grows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2 import BaseLoader, StrictUndefined, TemplateNotFound, Undefined
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rollwright.errors import RenderError
from rollwright.plugins import tree
from rollwright.renderers.jinja.filters import FILTERS, to_json
from rollwright.renderers.jinja.lines import Marks

LARGEST_TEMPLATE = 4 * 2**20
LARGEST_TEXT = 8 * 2**20
_LARGEST_EXPONENT = 512
_LARGEST_BASE = 2**64
_WIDE = re.compile(r"%[^a-zA-Z%]*(\d{5,}|\*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """How a template is written: what surrounds variables, blocks and comments."""

    variable: tuple[str, str] = ("{{", "}}")
    block: tuple[str, str] = ("{%", "%}")
    comment: tuple[str, str] = ("{#", "#}")
    trim_blocks: bool = False
    lstrip_blocks: bool = False


class TreeLoader(BaseLoader):
    """Finds templates in a tree, and nowhere else; keeps what was read."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.read: dict[str, str] = {}

    def get_source(
        self,
        environment: Any,  # noqa: ARG002  (jinja's signature)
        template: str,
    ) -> tuple[str, str, Callable[[], bool]]:
        """Return text and name of a template.

        Raises:
            TemplateNotFound: Nothing is there.
            RenderError: It lies outside of the tree, is too large, or is no text.
        """
        text = self.text(template)
        if text is None:
            raise TemplateNotFound(template)
        return text, template, lambda: True

    def text(self, name: str) -> str | None:
        """Return the text of a file of the tree; ``None`` if there is none."""
        if name not in self.read:
            path = self._path(name)
            if path is None:
                return None
            self.read[name] = _decoded(path, name)
        return self.read[name]

    def is_there(self, name: str) -> bool:
        """Whether a file of the tree has that name."""
        return self._path(name) is not None

    def _path(self, name: str) -> Path | None:
        if not name or "\\" in name:
            return None
        try:
            path = tree.inside(self.root, name)
        except RenderError as error:
            if "leads out" in error.message:
                raise
            return None
        return path if path.is_file() else None


def _decoded(path: Path, name: str) -> str:
    if path.stat().st_size > LARGEST_TEMPLATE:
        raise RenderError(f"{name}: larger than {LARGEST_TEMPLATE:,} bytes")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise RenderError(f"{name}: not UTF-8 at byte {error.start}") from error


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja without a way out, and without operators that grow without end."""

    intercepted_binops = frozenset({"*", "**", "%"})
    loader: TreeLoader
    marked_names: list[str]

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Do what an operator says, if the result stays small."""
        _refuse_growth(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def join_path(self, template: str, parent: str) -> str:
        """Return the path of an included template: below the root, else beside its parent."""
        folder = PurePosixPath(parent).parent
        is_relative = template.startswith(("./", "../"))
        if not is_relative and self.loader.is_there(template):
            return template
        parts: list[str] = []
        for part in (folder / template).parts:
            if part == ".." and (not parts or parts[-1] == ".."):
                raise RenderError(f"{template!r} leads out of the source")
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        return "/".join(parts)


def make_environment(
    loader: TreeLoader,
    syntax: Syntax,
    *,
    undefined: type[Undefined] = StrictUndefined,
    finalize: Callable[..., Any] | None = None,
    marks: bool = False,
) -> Sandbox:
    """Return a sandbox; with ``marks`` its pages tell the lines of their templates."""
    environment = Sandbox(
        loader=loader,
        undefined=undefined,
        finalize=finalize or yaml_text,
        autoescape=False,
        keep_trailing_newline=True,
        cache_size=400,
        auto_reload=False,
        variable_start_string=syntax.variable[0],
        variable_end_string=syntax.variable[1],
        block_start_string=syntax.block[0],
        block_end_string=syntax.block[1],
        comment_start_string=syntax.comment[0],
        comment_end_string=syntax.comment[1],
        trim_blocks=syntax.trim_blocks,
        lstrip_blocks=syntax.lstrip_blocks,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", *([Marks] if marks else [])],
    )
    environment.marked_names = []
    environment.filters.update(FILTERS)
    # NB: the same tree and values give the same objects (RE-05).
    del environment.filters["random"], environment.globals["lipsum"]
    return environment


def yaml_text(value: Any) -> Any:
    """Return what a variable prints: texts and numbers as they are, the rest as JSON.

    ``None`` and ``['a']`` are Python; ``null`` and ``["a"]`` are YAML.
    """
    if value is None or isinstance(value, bool | Mapping | list | tuple):
        return to_json(value)
    if isinstance(value, str | int | float | Undefined) or hasattr(value, "__html__"):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be printed; a list may be meant, with | list")


def _refuse_growth(operator: str, left: Any, right: Any) -> None:
    if operator == "**" and not _is_small_power(left, right):
        raise SecurityError("a power that large is not computed")
    if operator == "%" and isinstance(left, str) and _WIDE.search(left):
        raise SecurityError("a format that wide is not written")
    for text, count in ((left, right), (right, left)) if operator == "*" else ():
        size = len(text) if isinstance(text, str | list | tuple) else 0
        if isinstance(count, int) and size * count > LARGEST_TEXT:
            raise SecurityError(f"repeated to more than {LARGEST_TEXT:,} characters")


def _is_small_power(base: Any, exponent: Any) -> bool:
    numbers = all(isinstance(one, int | float) for one in (base, exponent))
    return numbers and abs(base) <= _LARGEST_BASE and abs(exponent) <= _LARGEST_EXPONENT
