"""What went wrong, for people, and the exit code that says it to programs.

Before: a command raised. After: the process ends.
"""

from __future__ import annotations

import sys
import traceback

from rollwright.cli.output import Style, paint, printable, wants_color
from rollwright.errors import ClusterError, RolloutError

BUG, USAGE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130


def exit_code_of(error: RolloutError) -> int:
    """Return the exit code of an error that kept a command from its work.

    What a server refuses while nothing was begun lies in the document or the rights (2); what it
    cannot answer is as if it were not there (3).
    """
    if isinstance(error, ClusterError) and error.status:
        return USAGE if error.status < 500 else UNREACHABLE
    return error.exit_code


def explain(error: RolloutError, *, is_debug: bool) -> int:
    """Print an error with its hint, and return the exit code."""
    if is_debug:
        traceback.print_exception(error)
    complain(error.message, error.hint or "")
    return exit_code_of(error)


def complain(message: str, hint: str = "") -> None:
    """Print what is wrong and, where something helps, what to do."""
    is_colored = wants_color(sys.stderr)
    error = paint("Error:", Style.BAD, is_colored=is_colored)
    sys.stdout.flush()
    sys.stderr.write(f"{error} {printable(message)}\n")
    if hint:
        label = paint("Hint:", Style.WARNING, is_colored=is_colored)
        sys.stderr.write(f"{label} {printable(hint)}\n")


def complain_of_bug(error: Exception, *, is_debug: bool) -> None:
    """Print what nobody foresaw."""
    if is_debug:
        traceback.print_exception(error)
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    hint = "" if is_debug else "this is a mistake in Rollwright; --debug shows the traceback"
    complain(f"unexpected {text}", hint)
