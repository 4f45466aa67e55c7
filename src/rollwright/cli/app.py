"""The parser: commands by name, imported when they run; every ending an exit code.

Before: ``main`` put the words in order. After: a command runs, or ``failing`` says why not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from cyclopts import App, CycloptsError, Parameter

from rollwright.cli.commands import GROUPS, all_commands
from rollwright.cli.failing import BUG, INTERRUPTED, USAGE, complain, complain_of_bug, explain
from rollwright.cli.pages import Page
from rollwright.errors import RolloutError

_PACKAGE = "rollwright.cli"


def make_app() -> App:
    """Return the parser with every command, none of them imported."""
    app = App(
        name="rollwright",
        help="Bring declared Kubernetes state to clusters.",
        version_flags=[],
        help_format="plaintext",
        help_formatter=Page(),
        default_parameter=Parameter(negative=()),
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for title, commands in GROUPS.items():
        for one in commands:
            app.command(f"{_PACKAGE}.{one.where}", name=one.name, group=title)
    return app


def run(words: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    is_debug = "--debug" in words
    if stranger := _unknown_command(words):
        complain(*stranger)
        return USAGE
    # What it finds are foreign plugins of pydantic, by reading the metadata of every package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        return _parse_and_run(words)
    except CycloptsError as error:
        complain(*_usage(error, words))
        return USAGE
    except RolloutError as error:
        return explain(error, is_debug=is_debug)
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; nothing was begun\n")
        return INTERRUPTED
    except BrokenPipeError:
        return _without_reader()
    except Exception as error:  # noqa: BLE001  (the last line of defence: a person reads it)
        complain_of_bug(error, is_debug=is_debug)
        return BUG


def _parse_and_run(words: Sequence[str]) -> int:
    result = make_app()(list(words))
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _unknown_command(words: Sequence[str]) -> tuple[str, str] | None:
    """Return what to say when the first word is no command.

    NB: cyclopts would import every command to guess which one was meant.
    """
    word, known = words[0], {one.name for one in all_commands()}
    if word in known:
        return None
    if word.startswith("-"):
        return f"unknown option {word}", "see `rollwright --help`"
    close = get_close_matches(word, known, n=1)
    hint = f"did you mean `rollwright {close[0]}`?" if close else "see `rollwright --help`"
    return f"no command {word!r}", hint


def _usage(error: CycloptsError, words: Sequence[str]) -> tuple[str, str]:
    """Return what is wrong with the command line, and where its help is."""
    text = " ".join(str(error).split()).rstrip(".")
    return text[:1].lower() + text[1:], f"see `rollwright {words[0]} --help`"


def _without_reader() -> int:
    """End quietly when whoever read our output has gone, such as ``head``."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return BUG
