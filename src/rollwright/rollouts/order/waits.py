"""Rules as waits: some objects start after some others are done.

A rule between two groups is **one** wait, whatever the sizes of the groups: pairs are never
written out while the graph is made (OR-64).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum


class Strength(Enum):
    """Who asked for a wait, and so what happens when it cannot be kept."""

    DROPPABLE = "default rule that gives way in a cycle"
    FIRM = "default rule that never gives way"
    USER = "written by a person: a contradiction is an error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Every waiter starts after all members are done; both are numbers of objects.

    ``is_local`` waits hold inside one wave and say nothing about other waves.
    """

    rule: str
    waiters: tuple[int, ...]
    members: tuple[int, ...]
    strength: Strength = Strength.DROPPABLE
    is_local: bool = False

    def parts(self, *sides: tuple[Collection[int], Collection[int]]) -> Iterator[Wait]:
        """Yield the same wait for other waiters and members."""
        for waiters, members in sides:
            yield from wait(self.rule, waiters, members, self.strength, is_local=self.is_local)

    def reversed(self) -> Wait:
        """Return the wait of the way back: it gives way, and is silent about other waves."""
        return Wait(rule=self.rule, waiters=self.members, members=self.waiters, is_local=True)


def wait(
    rule: str,
    waiters: Collection[int],
    members: Collection[int],
    strength: Strength = Strength.DROPPABLE,
    *,
    is_local: bool = False,
) -> Iterator[Wait]:
    """Yield the wait, unless a side is empty; nothing waits for itself.

    Two or more objects that stand on both sides contradict each other, which is for ``cycles``.
    """
    both = set(waiters) & set(members)
    sides = [(waiters, members)]
    if len(both) == 1:
        others = [number for number in waiters if number not in both]
        rest = [number for number in members if number not in both]
        sides = [(others, members), (both, rest)]
    for left, right in sides:
        if left and right:
            yield Wait(
                rule=rule,
                waiters=tuple(left),
                members=tuple(right),
                strength=strength,
                is_local=is_local,
            )
