"""Why a field changes: because we say so, or because the server adds something (PL-42).

Before: ``diff`` compared the live object with the server's prediction.
After: the plan says of each field whose doing it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rollwright.rollouts.diff import ABSENT, FieldChange, compare
from rollwright.rollouts.manifest import Body

OURS = "ours"
MIGRATION = "migration"
"""It was of a manager that we take over, and the manifest does not have it."""
SERVER = "server"
"""A default of the API server, or an admission webhook: both speak before we see the answer."""


def with_reasons(fields: Iterable[FieldChange], sent: Body, live: Body) -> tuple[FieldChange, ...]:
    """Return the changes, each with who makes it, where that is sure.

    Args:
        fields: From what is live to what the server predicts.
        sent: What would be applied.
        live: What is there.
    """
    # Without a key nothing of a Secret is shown; sizes alone are compared here.
    said = {one.path: one.old for one in compare(sent, live, salt="")}
    return tuple(replace(one, by=_by(one, said)) for one in fields)


def _by(change: FieldChange, said: Mapping[str, object]) -> str:
    if change.new is ABSENT or said.get(change.path, ABSENT) is not ABSENT:
        return OURS  # nobody but us takes a field away in an apply of ours
    head, is_in_list, _ = change.path.partition("[")
    if is_in_list and any(path.startswith(head) for path in said):
        return ""  # items of a list may go by other names there
    return SERVER
