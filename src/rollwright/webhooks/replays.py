"""Deliveries that were answered lately: the same one again means nothing (WH-06)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic

KEPT_SECONDS = 600.0
MOST = 100_000


@dataclass(slots=True, kw_only=True)
class Replays:
    """Ids, each remembered for some time. Only genuine deliveries get here."""

    seconds: float = KEPT_SECONDS
    now: Callable[[], float] = monotonic
    _seen: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def is_new(self, ids: Iterable[str]) -> bool:
        """Whether none of the ids was there, and remember them all."""
        self._forget()
        those = [one for one in ids if one]
        if any(one in self._seen for one in those):
            return False
        self._seen.update(dict.fromkeys(those, self.now()))
        return True

    def take_back(self, ids: Iterable[str]) -> None:
        """Forget ids whose delivery could not be noted: it may come again."""
        for one in ids:
            self._seen.pop(one, None)

    def _forget(self) -> None:
        oldest = self.now() - self.seconds
        while self._seen:
            first = next(iter(self._seen))
            if self._seen[first] > oldest and len(self._seen) <= MOST:
                break
            del self._seen[first]
