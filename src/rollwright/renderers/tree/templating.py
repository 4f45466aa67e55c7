"""Templates of a tree: other delimiters, values that are templates, lenient about what is not said.

Before: ``walk`` chose a file. After: ``resources`` reads the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import ChainableUndefined, Undefined, pass_context
from jinja2.runtime import Context as JinjaContext

from rollwright.renderers.jinja.answers import Watch
from rollwright.renderers.jinja.environment import Syntax, TreeLoader, make_environment
from rollwright.renderers.jinja.pages import Page, Printer

SYNTAX = Syntax(variable=("{${", "}$}"))


class Unset(ChainableUndefined):
    """What is not defined: it may be looked into and asked for, never printed (TRE-74)."""

    __slots__ = ()

    def __str__(self) -> str:
        return str(self._fail_with_undefined_error())

    __html__ = __str__


@pass_context
def resolved(context: JinjaContext, value: Any) -> Any:
    """Return what a variable prints: a value that is a template is rendered too (TRE-73)."""
    if isinstance(value, Undefined):
        return value
    text = str(value)
    start, end = SYNTAX.variable
    if start not in text or end not in text:
        return text
    return context.environment.from_string(text).render(context.parent)


class Templating:
    """Renders the templates of one tree."""

    def __init__(self, loader: TreeLoader, watch: Watch) -> None:
        self.loader, self.watch = loader, watch
        self._printer = Printer(_environment(loader), _environment(loader, marks=True))

    def page(self, file: str, key: str, context: Mapping[str, Any]) -> Page:
        """Render one template.

        Raises:
            TemplateFailure: It cannot be rendered.
        """
        self.watch.at(file)
        return self._printer.page(file, key, context)


def _environment(loader: TreeLoader, *, marks: bool = False) -> Any:
    return make_environment(loader, SYNTAX, undefined=Unset, finalize=resolved, marks=marks)
