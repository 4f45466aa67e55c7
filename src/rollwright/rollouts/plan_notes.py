"""What a reviewer must know of a plan as a whole.

Before: ``planning`` knows the changes. After: the plan carries the notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollwright.rollouts.change import Change, Prediction
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.premises import is_crd
from rollwright.rollouts.revisions.history import SUCCEEDED
from rollwright.rollouts.state import RolloutState


def note_on_failure(
    state: RolloutState | None, made: Iterable[Change], prunes: Mapping[ObjectRef, Change]
) -> tuple[str, ...]:
    """Say why a plan that changes nothing is carried out all the same."""
    last = state.last if state is not None else None
    if last is None or last.outcome == SUCCEEDED or prunes:
        return ()
    if any(change.writes for change in made):
        return ()
    return (f"revision {last.number} {last.outcome}; what it left is recorded once it is Current",)


def notes_on(live: LiveSet, prunes: Mapping[ObjectRef, Change]) -> tuple[str, ...]:
    """Return what a reviewer must know of the cluster and of what goes."""
    notes = [
        f"group {group} cannot be read and is left out: {why}"
        for group, why in sorted(live.missing_groups.items())
    ]
    notes += [
        f"{ref} carries this rollout's label, is not in its inventory, and stays"
        for ref in live.strays
    ]
    deletes_namespace = any(ref.group_kind == ("", "Namespace") for ref in prunes)
    if live.missing_groups and deletes_namespace:
        notes.append("deleting a namespace hangs until that group can be read or is removed")
    crds = [str(ref) for ref in prunes if is_crd({"apiVersion": f"{ref.group}/", "kind": ref.kind})]
    notes += [f"deleting {crd} deletes all its objects" for crd in crds]
    return tuple(notes)


def notes_on_unasked(changes: Iterable[Change]) -> tuple[str, ...]:
    """Say of how many objects the server could not be asked."""
    count = sum(
        one.prediction is Prediction.SIMULATED and one.is_owned and not one.is_made_anew
        for one in changes
    )
    noun = "object comes with its" if count == 1 else "objects come with their"
    words = f"{count} {noun} namespace or kind: no dry run could be made of what is not there yet"
    return (words,) if count else ()
