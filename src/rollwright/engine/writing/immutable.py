"""Fields that cannot change in place: what the server says of them (AP-55).

Before: ``forecast`` sent a dry run, or ``objects`` an apply, that was refused.
After: the change becomes a replace, which needs a permission.
"""

from __future__ import annotations

import re

from rollwright.errors import Cause, ClusterError, excerpt

_REASONS = frozenset({"FieldValueForbidden", "FieldValueInvalid"})
_WORDS = re.compile(
    r"immutable|updates to .* are forbidden|(may not|cannot) (be changed|change)", re.IGNORECASE
)
_FORBIDDEN = "Forbidden: "
_DUMP = re.compile(r"\s+\S*\.?\w+\{")
"""Where the server begins to print both objects: the type of one, with an open brace."""


def immutable_fields(error: ClusterError) -> tuple[str, ...]:
    """Return what the server says of fields that cannot change in place.

    Decided by the structured causes, and in them by the reason alone: a pattern on the whole text
    would also match innocent words of a webhook, or of the value that the server quotes.
    """
    if error.status != 422:
        return ()
    return tuple(
        f"{cause.field}: {why}"
        for cause in error.causes
        if (why := _reason(cause)) and cause.reason in _REASONS and _is_immutable(cause, why)
    )


def _is_immutable(cause: Cause, why: str) -> bool:
    # A version that is stored can never be left out of a definition, however it is written.
    return cause.field.startswith("status.storedVersions") or _WORDS.search(why) is not None


def _reason(cause: Cause) -> str:
    """Return why the server refuses, without the value that it quotes before or after."""
    if cause.message.startswith(_FORBIDDEN):
        return excerpt(_DUMP.split(cause.message.removeprefix(_FORBIDDEN))[0].strip())
    return cause.message.rpartition(": ")[2].strip()
