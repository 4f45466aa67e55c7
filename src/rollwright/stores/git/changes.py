"""What each operation of the store changes in the branch, as commits that are not made yet.

Before: ``git`` read the head. After: ``cache`` makes and pushes the commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollwright.errors import NotFound
from rollwright.rollouts.state import Revision, RolloutState
from rollwright.stores.format import dropped_snapshots
from rollwright.stores.git.commit import Commit, Person, person_of
from rollwright.stores.git.layout import Layout
from rollwright.stores.git.messages import actor_of, asker_of, subject_of, trailers_of
from rollwright.stores.git.readable import readable


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Makes commits for one cluster; ``nobody`` is their author where nobody asked."""

    layout: Layout
    nobody: Person

    def save(
        self,
        before: RolloutState | None,
        after: RolloutState,
        content: bytes,
        there: Mapping[str, str],
    ) -> Commit:
        """Write a state, with the readable set of each new revision; forget what left it.

        Args:
            before: The state in the branch.
            after: The state that follows it.
            content: Its stored form.
            there: Those of ``sources`` that are in the branch, with their ids.
        """
        links, moved = self._links(before, after, there)
        return Commit(
            subject=subject_of(before, after),
            author=person_of(actor_of(before, after), self.nobody),
            trailers=trailers_of(before, after),
            writes={self.layout.state(after.rollout): content},
            links=links,
            deletes=(*moved, *self._dropped(before, after)),
        )

    def sources(self, before: RolloutState | None, after: RolloutState) -> tuple[str, ...]:
        """Return where the readable sets of new revisions may be."""
        found = (path for one in _new(before, after) for path in self._sources(before, after, one))
        return tuple(dict.fromkeys(found))

    def snapshot(
        self,
        state: RolloutState | None,
        place: tuple[str, str],
        sealed: bytes,
        shown: bytes | None,
    ) -> Commit:
        """Keep a snapshot: sealed, and readable until its revision is saved."""
        rollout, snapshot = place
        writes = {self.layout.sealed(rollout, snapshot): sealed}
        if shown is not None:
            writes[self.layout.readable(rollout, snapshot)] = shown
        return Commit(
            subject=f"{rollout}: snapshot {snapshot[:19]}",
            author=person_of(asker_of(state), self.nobody),
            trailers=trailers_of(None, state),
            writes=writes,
        )

    def forget(self, before: RolloutState | None, rollout: str) -> Commit:
        """Remove everything of a rollout."""
        return Commit(
            subject=f"{rollout}: forgotten",
            author=person_of(asker_of(before), self.nobody),
            trailers=trailers_of(None, before),
            deletes=(self.layout.rollout(rollout),),
        )

    def key(self, sealed: bytes) -> Commit:
        """Keep the installation's key."""
        return Commit(
            subject="installation's key, sealed",
            author=self.nobody,
            writes={self.layout.key: sealed},
        )

    def rehearsal(self) -> Commit:
        """Change nothing: for a push that is not carried out."""
        return Commit(subject="rehearsal", author=self.nobody)

    @staticmethod
    def shown(data: bytes, salt: str) -> bytes | None:
        """Return a snapshot as people read it; ``None`` if it is none."""
        return readable(data, salt=salt)

    def _sources(
        self, before: RolloutState | None, after: RolloutState, one: Revision
    ) -> Iterator[str]:
        try:
            yield self.layout.readable(after.rollout, one.snapshot)
        except NotFound:
            return  # what names no digest is nowhere
        for former in before.revisions if before else ():
            if former.snapshot == one.snapshot:
                yield self.layout.revision(after.rollout, former.number)

    def _links(
        self, before: RolloutState | None, after: RolloutState, there: Mapping[str, str]
    ) -> tuple[Mapping[str, str], tuple[str, ...]]:
        links: dict[str, str] = {}
        moved: list[str] = []
        for one in _new(before, after):
            paths = tuple(self._sources(before, after, one))
            found = next((path for path in paths if path in there), None)
            if found:
                links[self.layout.revision(after.rollout, one.number)] = there[found]
            moved += [path for path in paths[:1] if path in there]
        return links, tuple(dict.fromkeys(moved))

    def _dropped(self, before: RolloutState | None, after: RolloutState) -> Iterator[str]:
        if before is None:
            return
        kept = {one.number for one in after.revisions}
        for one in before.revisions:
            if one.number not in kept:
                yield self.layout.revision(after.rollout, one.number)
        for snapshot in sorted(dropped_snapshots(before, after)):
            try:
                yield self.layout.sealed(after.rollout, snapshot)
            except NotFound:
                continue
            yield self.layout.readable(after.rollout, snapshot)


def _new(before: RolloutState | None, after: RolloutState) -> tuple[Revision, ...]:
    known = frozenset(before.revisions) if before else frozenset()
    return tuple(one for one in after.revisions if one.snapshot and one not in known)
