"""The page of help of one command: options on the left, what they do on the right.

Before: ``app`` found the command that somebody asked about. After: the page is on the terminal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_WIDEST_LABEL = 28
_NARROWEST_TEXT = 24


class Page:
    """Prints plain text in two columns; a formatter as cyclopts asks for one."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one panel of options or commands."""
        del options
        rows = [(_label(entry), _text(entry)) for entry in panel.entries]
        if rows:
            lines = [f"{_plain(panel.title)}:", *_columns(rows, console.width), ""]
            _write(console, lines)

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """Print how the command is called."""
        del options
        text = _plain(usage).removeprefix("Usage:").strip()
        if text:
            _write(console, [f"Usage: {text}", ""])

    def render_description(
        self, console: Console, options: ConsoleOptions, description: Any
    ) -> None:
        """Print what the command does."""
        del options
        text = _plain(description)
        if text:
            width = min(console.width, 88)
            paragraphs = (textwrap.fill(part, width) for part in text.split("\n\n"))
            _write(console, ["\n\n".join(paragraphs), ""])


def _write(console: Console, lines: Iterable[str]) -> None:
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _plain(value: Any) -> str:
    """Return the text of what cyclopts wraps for rich; with plaintext help all of it is text."""
    inner = getattr(value, "primary_renderable", value)
    return str(getattr(inner, "plain", inner) or "").strip()


def _label(entry: HelpEntry) -> str:
    if entry.positional_label:
        return entry.positional_label
    names = ", ".join([*entry.positive_shorts, *entry.positive_names])
    values = "|".join(entry.choices or ()) or entry.metavar or ""
    return f"{names} {values}".strip()


def _text(entry: HelpEntry) -> str:
    text = _plain(entry.description).rstrip(".")
    default = _plain(entry.default)
    is_worth_telling = default and default not in {'""', "False", "None"}
    notes = [f"default: {default}"] if is_worth_telling else []
    return f"{text} ({', '.join(notes)})" if notes else text


def _columns(rows: list[tuple[str, str]], total: int) -> Iterator[str]:
    fitting = [len(label) for label, _ in rows if len(label) <= _WIDEST_LABEL]
    left = max(fitting, default=_WIDEST_LABEL)
    width = max(_NARROWEST_TEXT, min(total, 100) - left - 4)
    for label, text in rows:
        parts = textwrap.wrap(text, width) or [""]
        if len(label) > left:
            yield f"  {label}"
        else:
            yield f"  {label:{left}}  {parts.pop(0)}".rstrip()
        for part in parts:
            yield f"  {'':{left}}  {part}"
