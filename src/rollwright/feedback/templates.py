"""Templates of what is told: sandboxed and strict, and they see what is told and nothing else (NO-08).

Before: ``describe.feedback`` made the values. After: a sink sends the text.

Nothing in a template lasts without end: its steps are counted while they are taken, and what it
makes by the sandbox.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rollwright.errors import RolloutError, excerpt

if TYPE_CHECKING:
    from types import FrameType

LONGEST_TEMPLATE = 64 * 1024
MAX_STEPS = 200_000
"""Lines of code that filling a template may take: about a tenth of a second."""


def check_template(template: str) -> str:
    """Return a template that can be read.

    Raises:
        ValueError: It cannot.
    """
    from jinja2 import TemplateError  # noqa: PLC0415  (only who has templates needs it)

    if len(template) > LONGEST_TEMPLATE:
        raise ValueError(f"longer than {LONGEST_TEMPLATE:,} characters")
    try:
        _made(template)
    except TemplateError as error:
        raise ValueError(f"line {getattr(error, 'lineno', 1)}: {error.message}") from None
    except RecursionError:
        raise ValueError("too deep") from None
    return template


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Return the text of a template; call it in a thread, as it may take its time.

    Raises:
        RolloutError: It names something that is not there, makes too much, or takes too long.
    """
    from jinja2 import TemplateError  # noqa: PLC0415  (as above)

    try:
        made = _made(template)
        with _limited_steps():
            text: str = made.render(**values)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        words = excerpt(str(error)) or type(error).__name__
    except RecursionError:
        words = "goes round in circles"
    else:
        return text
    # Not chained: frames of the template hold everything that is told.
    raise RolloutError(
        f"template: {words}", hint="`rollwright schema Feedback` shows what there is"
    )


@contextmanager
def _limited_steps() -> Iterator[None]:
    """Break off what takes too many steps in this thread."""
    left = MAX_STEPS

    def count(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(f"takes more than {MAX_STEPS:,} steps")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)


def _made(template: str) -> Any:
    from rollwright.feedback.template_sandbox import Sandbox  # noqa: PLC0415  (as above)

    return Sandbox().from_string(template)
