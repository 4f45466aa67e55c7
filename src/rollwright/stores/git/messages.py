"""What a commit says: what happened to a state, who asked, under which run and token.

Before: ``git`` compares the state that was saved with the one before.
After: ``commit`` makes a message of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from rollwright.rollouts.state import AuditEntry, RolloutState

RUN = "Rollwright-Run"
TOKEN = "Rollwright-Token"  # noqa: S105  (the name of a trailer)


def subject_of(before: RolloutState | None, after: RolloutState) -> str:
    """Return the first line: ``shop: revision 7 succeeded``."""
    return f"{after.rollout}: {_event(before, after)}"


def _event(before: RolloutState | None, after: RolloutState) -> str:
    if after.last and after.last != (before.last if before else None):
        return f"revision {after.last.number} {after.last.outcome}"
    opened = before.journal if before else None
    if after.journal and after.journal != opened:
        return f"run {after.journal.run_id} began"
    if entry := _new_entry(before, after):
        return f"{entry.kind}: {entry.message}"
    if opened and not after.journal:
        return f"run {opened.run_id} ended"
    return "state saved"


def _new_entry(before: RolloutState | None, after: RolloutState) -> AuditEntry | None:
    known = before.audit if before else ()
    return after.audit[-1] if after.audit and after.audit[-1] not in known else None


def actor_of(before: RolloutState | None, after: RolloutState) -> str:
    """Return who asked for what was saved; empty if nobody is named."""
    last = after.last
    if last and last != (before.last if before else None):
        return last.actor
    if after.journal and after.journal != (before.journal if before else None):
        return after.journal.owner
    if entry := _new_entry(before, after):
        return entry.actor
    return asker_of(after)


def asker_of(state: RolloutState | None) -> str:
    """Return who asked for the run that a state tells of, open or ended."""
    if state is None:
        return ""
    if state.journal:
        return state.journal.owner
    return state.last.actor if state.last else ""


def trailers_of(before: RolloutState | None, after: RolloutState | None) -> Mapping[str, str]:
    """Return the run and its fencing token, by name of trailer."""
    journal = (after.journal if after else None) or (before.journal if before else None)
    run = {RUN: journal.run_id} if journal else {}
    return run | ({TOKEN: str(after.token)} if after else {})
