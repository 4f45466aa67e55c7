"""What a run tells while it goes on, for a live view or plain lines.

The walk and the executor tell; whoever started the run listens. Listeners are plain functions
that must not wait.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, TypeAlias

from rollwright.rollouts.change import Change
from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.report import ChangeResult, Report, StepResult
from rollwright.rollouts.status import ObjectStatus


class Teller(Protocol):
    """Tells others about the run that is at work."""

    def conclude(self, report: Report) -> None:
        """Hear what became of the run."""
        ...


@dataclass(frozen=True, slots=True)
class StageBegan:
    """A stage of the walk began, such as ``render`` or ``forecast``."""

    stage: str


@dataclass(frozen=True, slots=True)
class Grouped:
    """The names of the groups are known, before anything is planned (DOC-4)."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan is made."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A step began."""

    step: Step


@dataclass(frozen=True, slots=True)
class Applied:
    """An object was written; it may not yet be Current."""

    change: Change


@dataclass(frozen=True, slots=True)
class Seen:
    """An object that is waited for has a new verdict."""

    status: ObjectStatus


@dataclass(frozen=True, slots=True)
class ChangeEnded:
    """A change has its result."""

    result: ChangeResult


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has its result."""

    result: StepResult


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know."""

    text: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Something happened that only counts: what, how it ended, the seconds that it took.

    ``what`` and ``result`` are words of this program: ``render``, ``lock``, ``database``,
    ``feedback <sink>``.
    """

    what: str
    result: str = ""
    seconds: float = 0.0


Progress: TypeAlias = (
    StageBegan
    | Grouped
    | Planned
    | StepBegan
    | Applied
    | Seen
    | ChangeEnded
    | StepEnded
    | Note
    | Counted
)
Listener: TypeAlias = Callable[[Progress], None]


def ignore(_progress: Progress) -> None:
    """Listen to nothing."""


def careful(listener: Listener) -> Listener:
    """Return the listener such that its mistakes are warnings: they never break a run."""

    def tell(progress: Progress) -> None:
        try:
            listener(progress)
        except Exception as error:  # noqa: BLE001  (whatever a listener does, the run goes on)
            what = f"{type(progress).__name__}: {type(error).__name__}: {error}"
            warnings.warn(f"a listener failed at {what}", RuntimeWarning, stacklevel=2)

    return tell


def both(one: Listener, other: Listener) -> Listener:
    """Return a listener that tells two; the mistakes of the second are warnings."""
    second = careful(other)

    def tell(progress: Progress) -> None:
        one(progress)
        second(progress)

    return tell


@contextmanager
def counted(tell: Listener, what: str) -> Iterator[None]:
    """Tell how what is inside ended, and the seconds that it took."""
    began, result = monotonic(), "error"
    try:
        yield
        result = "success"
    finally:
        tell(Counted(what, result, monotonic() - began))
