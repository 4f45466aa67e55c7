"""Templates of what is told: sandboxed and strict, and they see what is told and nothing else (NO-08).

Before: ``describe.feedback`` made the values. After: a sink sends the text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from rollwright.errors import RolloutError, excerpt

LONGEST = 256 * 1024
"""Characters of a text that a template may make."""
LONGEST_TEMPLATE = 64 * 1024
MAX_RANGE = 1000


def check_template(template: str) -> str:
    """Return a template that can be read.

    Raises:
        ValueError: It cannot.
    """
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415  (only who has templates needs it)

    if len(template) > LONGEST_TEMPLATE:
        raise ValueError(f"longer than {LONGEST_TEMPLATE:,} characters")
    try:
        _environment().from_string(template)
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.message}") from None
    return template


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Return the text of a template.

    Raises:
        RolloutError: It names something that is not there, or makes too much.
    """
    from jinja2 import TemplateError  # noqa: PLC0415  (as above)

    parts, length = [], 0
    try:
        for part in _environment().from_string(template).generate(**values):
            length += len(part)
            if length > LONGEST:
                raise RolloutError(f"template: makes more than {LONGEST:,} characters")
            parts.append(part)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        words = excerpt(str(error)) or type(error).__name__
        raise RolloutError(
            f"template: {words}", hint="`rollwright schema Feedback` shows what there is"
        ) from error
    return "".join(parts)


@cache
def _environment() -> Any:
    from jinja2 import StrictUndefined  # noqa: PLC0415  (as above)
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415  (as above)

    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    made.globals = {"range": _short_range}
    made.filters["tojson"] = _as_json
    return made


def _short_range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise ValueError(f"range: at most {MAX_RANGE} values")
    return found


def _as_json(value: Any, indent: int | None = None) -> str:
    # Jinja's own escapes for HTML, which a body of JSON must not have.
    return json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=True)
