"""Templates to pages of text, within limits; and what went wrong, with file and line.

Before: ``environment`` made the sandbox. After: the parent process reads the pages as YAML.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Template, TemplateError, TemplateNotFound, TemplateSyntaxError

from rollwright.errors import RolloutError
from rollwright.renderers.jinja.environment import Sandbox
from rollwright.renderers.jinja.lines import LARGEST_PAGE, places

MAX_CHARACTERS = 50 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one template gave.

    Attributes:
        key: What the keys of its objects begin with.
        file: The template.
        text: What was rendered.
        lines: File and line of the template for each line of the text, where known.
    """

    key: str
    file: str
    text: str
    lines: list[tuple[str, int]] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what ``output`` reads."""
        return {"key": self.key, "file": self.file, "text": self.text, "lines": self.lines}


class TemplateFailure(Exception):
    """A template cannot be rendered: where, and why."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")
        self.file, self.line, self.message = file, line, message


class Printer:
    """Renders templates, and stops those that print without end."""

    def __init__(self, environment: Sandbox, marking: Sandbox | None) -> None:
        self._environment, self._marking = environment, marking
        self._printed = 0

    def page(self, file: str, key: str, context: Mapping[str, Any]) -> Page:
        """Render one template.

        Raises:
            TemplateFailure: It cannot be rendered.
        """
        try:
            text = self._text(self._environment.get_template(file), context)
        except Exception as error:
            raise failure_of(error, file, self._environment.loader.read) from error
        return Page(key=key, file=file, text=text, lines=self._lines(file, text, context))

    def _text(self, template: Template, context: Mapping[str, Any]) -> str:
        parts = []
        for part in template.generate(context):
            self._printed += len(part)
            if self._printed > MAX_CHARACTERS:
                raise OverflowError(f"the templates print more than {MAX_CHARACTERS:,} characters")
            parts.append(part)
        return "".join(parts)

    def _lines(
        self, file: str, text: str, context: Mapping[str, Any]
    ) -> list[tuple[str, int]] | None:
        if self._marking is None or len(text) > LARGEST_PAGE:
            return None
        try:
            marked = "".join(self._marking.get_template(file).generate(context))
        except Exception:  # noqa: BLE001  (the marks disturb it: then there are no lines)
            return None
        return places(text, marked, self._marking.marked_names)


def failure_of(error: BaseException, file: str, known: Mapping[str, str]) -> TemplateFailure:
    """Say where and why a template failed."""
    if isinstance(error, TemplateFailure):
        return error
    if isinstance(error, TemplateSyntaxError):
        return TemplateFailure(error.name or file, error.lineno, error.message or "syntax error")
    place, line = _place(error, file, known)
    return TemplateFailure(place, line, _words(error))


def _place(error: BaseException, file: str, known: Mapping[str, str]) -> tuple[str, int]:
    """Return file and line of the innermost template of a traceback."""
    found = file, 0
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename in known:
            found = frame.f_code.co_filename, line
    return found


def _words(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "templates, macros or values are nested without end"
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, TemplateNotFound):
        return f"no template {str(error)!r} in the source"
    if isinstance(error, RolloutError | TemplateError | OverflowError):
        return str(error)
    if isinstance(error, TypeError | ValueError | LookupError | ArithmeticError | TimeoutError):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}"
