"""A line for each delivery: who sent what to whom, and what became of it (WH-10).

Neither a body nor a secret nor an address that deliveries are sent to is ever in it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import orjson

from rollwright.errors import Refused, excerpt

_LONGEST = 256
_MOST = 10_000


@dataclass(slots=True, kw_only=True)
class Entry:
    """What is told of a delivery.

    Attributes:
        receiver: Name of the trigger; empty where the address is nobody's.
        source: Who sent it.
        delivery: Its id.
        outcome: In a word: ``accepted``, ``ignored``, ``repeated``, ``forged``, …
        status: What was answered.
        rollouts: How many rollouts are looked at.
        reason: Why it was not accepted.
        event: What happened, in the sender's words; only of who showed their origin.
    """

    receiver: str = ""
    source: str = ""
    delivery: str = ""
    outcome: str = ""
    status: int = 0
    rollouts: int = 0
    reason: str = ""
    event: str = ""

    def line(self, at: datetime) -> bytes:
        """Return it as a line of JSON."""
        form = {
            "at": at.isoformat(timespec="milliseconds"),
            "receiver": self.receiver,
            "source": _plain(self.source),
            "delivery": _plain(self.delivery),
            "outcome": self.outcome,
            "status": self.status,
            "rollouts": self.rollouts,
        }
        if self.event:
            form["event"] = _plain(self.event)
        if self.reason:
            form["reason"] = _plain(self.reason)
        return orjson.dumps(form) + b"\n"


Tell: TypeAlias = Callable[[Entry], None]


def to_standard_error(entry: Entry) -> None:
    """Write an entry to standard error."""
    sys.stderr.write(entry.line(datetime.now(UTC)).decode())
    sys.stderr.flush()


class AuditFile:
    """A file that lines are added to; opened again for each, so that it may be moved away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab"):
                pass
        except OSError as error:
            raise Refused(
                f"cannot write the log of deliveries {str(path)!r}: {error.strerror}",
                hint="correct [webhooks] audit in site.toml",
            ) from error

    def __call__(self, entry: Entry) -> None:
        """Write an entry; on standard error where the file cannot be written."""
        try:
            with self._path.open("ab") as file:
                file.write(entry.line(datetime.now(UTC)))
        except OSError:
            to_standard_error(entry)


def _plain(text: str) -> str:
    """Return a sender's text, fit to be shown."""
    shown = excerpt(text[:_MOST], _LONGEST)
    return "".join(one if one.isprintable() else "?" for one in shown)
