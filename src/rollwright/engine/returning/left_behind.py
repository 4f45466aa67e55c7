"""What going back leaves behind: the hooks and the ``onRollback`` steps of the set that is left.

Before: the revision that comes back is known, and what is live is read.
After: the plan of the rollback runs these steps first, the last group first.

They belong to the set that is left, since only that knows how to undo what it did. Of a run that
failed or was killed only those groups count that had begun; of a success all do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rollwright.engine.course import check_course
from rollwright.engine.progress import Note
from rollwright.engine.returning.revisions import Recorded, hooks_of_last, load_kept
from rollwright.engine.site import Site
from rollwright.errors import RolloutError, Unreachable
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import Manifest, ManifestSet
from rollwright.rollouts.plan import Wave
from rollwright.rollouts.revisions.left import Left, what_is_left
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.steps.course import GroupPlace, chart
from rollwright.rollouts.steps.late import undo_as_it_is
from rollwright.rollouts.steps.resuming import Resumed


@dataclass(frozen=True, kw_only=True)
class LeftBehind:
    """The set that is left, as far as it has a say in going back."""

    hooks: tuple[Manifest, ...] = ()
    undo: tuple[Wave, ...] = ()
    snapshot: str = ""


async def left_behind(
    site: Site, spec: RolloutSpec, state: RolloutState, wanted: ManifestSet, live: LiveSet
) -> LeftBehind:
    """Return what the set that is left has to say; a note, and less, where that is not known.

    Args:
        site: The installation.
        spec: The rollout.
        state: What is remembered.
        wanted: The set that comes back: going back to where one is undoes nothing.
        live: What is in the cluster.

    Raises:
        Unreachable: The store does not answer.
    """
    left = what_is_left(state)
    if left is None:
        return LeftBehind(hooks=await hooks_of_last(site, spec, state))
    try:
        record = await load_kept(site, spec, state, left.snapshot)
        is_same = record.wanted.digest == wanted.digest
        undo = () if is_same else _undo(site, spec, left, record, live)
    except Unreachable:
        raise
    except RolloutError as error:
        site.tell(Note(f"steps and hooks of the set that is left are not known: {error.message}"))
        return LeftBehind()
    return LeftBehind(hooks=record.wanted.hooks, undo=undo, snapshot=left.snapshot)


def _undo(
    site: Site, spec: RolloutSpec, left: Left, record: Recorded, live: LiveSet
) -> tuple[Wave, ...]:
    course = chart(record.spec or spec, record.wanted)
    if course is None:
        return ()
    groups = tuple(one for one in course.groups if one.on_rollback and _had_begun(one, left))
    if not groups:
        return ()
    course = replace(check_course(site, spec, course), groups=groups)
    return undo_as_it_is(course, live, Resumed(run_id=left.run_id, done=left.done))


def _had_begun(group: GroupPlace, left: Left) -> bool:
    if left.groups is None or group.name in left.groups:
        return True
    return any(step.name in left.begun for step in group.steps)
