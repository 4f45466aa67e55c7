"""How much of the memory bodies may take together.

Before: somebody who was told an address sends a body. After: it is whole, or there is no room.

Each body has some bytes of its own, which honest deliveries hardly ever exceed; what goes beyond
is shared, so that many large ones at once take no more than a few do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

OWN_BYTES = 2**20
"""What each body may take without asking."""


@dataclass(slots=True)
class Guest:
    """One body, and what it holds of the room."""

    room: Room
    held: int = 0

    def may_grow_to(self, size: int) -> bool:
        """Whether there is room for a body of that size; it is held from then on."""
        more = size - OWN_BYTES - self.held
        if more <= 0:
            return True
        if self.room.used + more > self.room.size:
            return False
        self.room.used += more
        self.held += more
        return True


@dataclass(slots=True)
class Room:
    """The bytes that are shared.

    Attributes:
        size: How many there are.
        used: How many are held.
    """

    size: int
    used: int = 0

    @contextmanager
    def guest(self) -> Iterator[Guest]:
        """Give a place, which is given back at the end."""
        guest = Guest(self)
        try:
            yield guest
        finally:
            self.used -= guest.held
