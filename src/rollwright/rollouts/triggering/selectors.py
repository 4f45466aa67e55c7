"""Label selectors as an API server reads them in a query.

Before: a document holds ``matchLabels`` and ``matchExpressions``. After: one text (DOC-51).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Operator(StrEnum):
    """How a label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"

    @property
    def has_values(self) -> bool:
        """Whether it compares with values."""
        return self in {Operator.IN, Operator.NOT_IN}


def selector_text(
    labels: Mapping[str, str], expressions: Iterable[tuple[str, Operator, tuple[str, ...]]] = ()
) -> str:
    """Return a selector; all of its parts must hold.

    Raises:
        ValueError: An operator lacks its values, or has some that it does not take.
    """
    parts = [f"{key}={value}" for key, value in sorted(labels.items())]
    return ",".join([*parts, *(_expression(*one) for one in expressions)])


def _expression(key: str, operator: Operator, values: tuple[str, ...]) -> str:
    if operator.has_values is not bool(values):
        raise ValueError(f"{operator} {'needs' if operator.has_values else 'takes no'} values")
    listed = ",".join(sorted(values))
    match operator:
        case Operator.IN:
            return f"{key} in ({listed})"
        case Operator.NOT_IN:
            return f"{key} notin ({listed})"
        case Operator.EXISTS:
            return key
        case Operator.DOES_NOT_EXIST:
            return f"!{key}"
