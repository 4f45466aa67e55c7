"""How a change comes into a branch that others write to: again and again, on whatever head it has.

Before: ``git`` says what to change on a head. After: the branch has it, or a conflict was found.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from rollwright.errors import Unreachable
from rollwright.stores.git.cache import GitSession
from rollwright.stores.git.commit import Commit

TRIES: Final = 60
"""How often a change is made anew because the branch has moved. Of all that push at the same time
one gets through, so this many others must have been faster before it gives up."""

_LONGEST_PAUSE = 8


Decide: TypeAlias = Callable[["Head"], Commit | None]
"""Says what to change on a head; ``None`` if everything is as it should be."""


@dataclass(frozen=True, slots=True)
class Head:
    """The branch as it is now; ``id`` is empty if there is none yet."""

    session: GitSession
    id: str

    def content(self, path: str) -> bytes | None:
        """Return what a file holds; ``None`` if there is no such file."""
        blob = self.session.read(self.id, (path,)).get(path)
        return blob.content if blob else None

    def has(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        return path in self.session.ids(self.id, (path,))


def land(session: GitSession, decide: Decide) -> None:
    """Bring one change into the branch, on whatever head it has by then."""
    pushes = _Pushes(session)
    for number in range(1, TRIES + 1):
        began = time.monotonic()
        head = session.fetch()
        if pushes.have_landed(head):
            return
        commit = decide(Head(session, head))
        if commit is None or pushes.push(session.commit(commit, head)):
            return
        _pause(number, time.monotonic() - began)
    raise Unreachable(
        f"{session.where()}: others were faster {TRIES} times: {pushes.refusal}",
        hint="try again; if it stays so, let fewer machines write to this branch, or give some"
        " a branch of their own",
    )


class _Pushes:
    """The pushes of one change, of which at most one lands."""

    def __init__(self, session: GitSession) -> None:
        self._session = session
        self._made: set[str] = set()
        self._base = ""
        self._is_unsure = False
        self.refusal = ""

    def have_landed(self, head: str) -> bool:
        """Whether one has landed although it was refused, or its answer was lost.

        A refusal proves nothing: a request that is sent again by itself, on a connection that
        broke, is refused because of the first one.
        """
        if not self._made:
            self._base = head
            return False
        return not self._made.isdisjoint(self._session.since(head, self._base))

    def push(self, commit: str) -> bool:
        """Push; whether it is known to have landed."""
        self._made.add(commit)
        try:
            self.refusal = self._session.push(commit)
        except Unreachable as error:
            if self._is_unsure or not error.retryable:
                raise
            self._is_unsure = True
            return False
        return not self.refusal


def _pause(number: int, seconds: float) -> None:
    """Wait by chance, longer after every refusal, measured by how long a try takes."""
    # Whoever waited long goes on early: the wait grows up to the middle of the tries only.
    width = min(number, _LONGEST_PAUSE) if number < TRIES // 2 else 1
    time.sleep(random.uniform(0, width * seconds / 2))  # noqa: S311  (not for security)
