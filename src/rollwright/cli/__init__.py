"""The command line: every command is a face of ``engine.operations``.

Before: a person or a script types a command.
After: the library does the work; this package parses, asks, prints and exits.

``commands`` is the table of commands, ``help`` prints it, ``app`` gives it to the parser.
``options`` is what all commands share, ``session`` opens the site, ``output`` and ``failing``
print, ``progress`` follows a run. Nothing is imported before a command needs it, so that help
answers at once.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

__all__ = ["main"]

_GLOBAL_WITH_VALUE = ("--site", "--cluster", "--kubeconfig", "--context", "--output", "-o")
_GLOBAL_FLAGS = ("--debug", "--no-cache", "--verbose", "-v")

_OBJECTS_BETWEEN_LOOKS = 50_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    from rollwright.cli.streams import steady

    words = arrange(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        sys.stdout, sys.stderr = steady(sys.stdout), steady(sys.stderr)
        # What a command makes lives as long as it: looking for garbage after every few hundred
        # objects takes a tenth of its time, and finds nothing.
        gc.set_threshold(_OBJECTS_BETWEEN_LOOKS, 20, 50)
    if not words or words[0] in {"--help", "-h", "help"}:
        return _help(words)
    if words[0] in {"--version", "-V"}:
        return _version()
    from rollwright.cli.app import run

    return run(words)


def arrange(words: Sequence[str]) -> list[str]:
    """Move global options that stand before the command behind it."""
    rest, leading = list(words), list[str]()
    while rest and rest[0].partition("=")[0] in {*_GLOBAL_WITH_VALUE, *_GLOBAL_FLAGS}:
        has_value = rest[0] in _GLOBAL_WITH_VALUE
        leading += rest[: 2 if has_value else 1]
        rest = rest[2 if has_value else 1 :]
    return [*rest[:1], *leading, *rest[1:]] if rest else leading


def _help(words: list[str]) -> int:
    if words[:1] == ["help"] and len(words) > 1:
        from rollwright.cli.app import run

        return run([*words[1:], "--help"])
    from rollwright.cli.help import overview

    sys.stdout.write(overview())
    # Somebody who typed nothing wanted something else.
    return 0 if words else 2


def _version() -> int:
    from importlib.metadata import version

    sys.stdout.write(f"rollwright {version('rollwright')}\n")
    return 0
