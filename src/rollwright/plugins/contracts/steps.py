"""What carries out a step, and what says that it succeeded: actions and checks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from rollwright.plugins.contracts.cluster import Cluster
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import StepResult
from rollwright.rollouts.status import ObjectStatus

Ask: TypeAlias = Callable[[str], Awaitable[bool]]
"""Puts a question to a person; true for yes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person said to a step that waits.

    Attributes:
        may_go_on: Whether the run may go on.
        at: When they said so.
        actor: Who; empty for the one who runs this process.
        reason: Why; empty if they did not say.
    """

    may_go_on: bool
    at: datetime
    actor: str = ""
    reason: str = ""


class Answers(Protocol):
    """Where a step finds what people answer from elsewhere than the terminal of the run."""

    async def wait(self, question: str) -> Answer:
        """Say that an answer is waited for, and return it when it is there."""
        ...

    async def keep(self, answer: Answer) -> None:
        """Write down who said what, wherever they said it."""
        ...


@dataclass(frozen=True, kw_only=True)
class ActionRequest:
    """What an action is asked to carry out.

    Attributes:
        step: The step of the plan, with its changes; without objects it has none.
        cluster: The rollout's target.
        rollout: Name of the rollout.
        run_id: The run, unique; a resumed run has the id of the run that it goes on from, so that
            what is named after it is found again.
        manifests: The rendered objects that the step names.
        must_stop: True as soon as nothing more may be written. Asked before every write.
        tell: Takes one line of progress.
        timeout: How long the action may take (``time_limit``); the engine ends it a little later.
        begun_at: When the step began; of a resumed run, when it began first.
        ask: Asks the person at the terminal; ``None`` where nobody is.
        answers: Where answers from elsewhere are found; ``None`` where there is no such place.
        hidden: Values of Secrets that no message, log or name may repeat.
        site: Folder of the site; ``None`` where there is none.
        commands: Programs that the site lets actions start, as globs of paths.
    """

    step: Step
    cluster: Cluster
    rollout: str
    run_id: str = ""
    manifests: tuple[Manifest, ...] = ()
    must_stop: Callable[[], bool] = lambda: False
    tell: Callable[[str], None] = lambda _line: None
    timeout: timedelta = timedelta(minutes=10)
    begun_at: datetime | None = None
    ask: Ask | None = None
    answers: Answers | None = None
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    site: Path | None = None
    commands: tuple[str, ...] = ()


@runtime_checkable
class Action(Protocol):
    """Carries out a step. Expected failures are values, not exceptions.

    It is carried out again when a run is resumed that was killed inside it, so it must find what
    it did before, or do it again without harm. ``str(action)`` says in the plan what it will do.
    """

    async def run(self, request: ActionRequest) -> StepResult:
        """Carry the step out."""
        ...


def time_limit(action: object, default: timedelta) -> timedelta:
    """Return how long an action may take: what its attribute ``timeout`` says, else the default.

    ``timedelta.max`` is for as long as it likes, such as until a person says go.
    """
    found = getattr(action, "timeout", None)
    return found if isinstance(found, timedelta) else default


def fitting_kinds(plugin: object) -> frozenset[tuple[str, str]]:
    """Return which objects an action or a check is for: groups and kinds, its attribute ``kinds``.

    Empty for any. A step with others is refused before anything is applied: an action needs all
    objects of its step to fit, a check at least one.
    """
    return frozenset(getattr(plugin, "kinds", ()))


class Verdict(StrEnum):
    """What a check says."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What a check looks at: one live object, its verdict, and what belongs to it.

    Attributes:
        object: The object as it is now; ``None`` while it does not exist.
        status: The verdict on its health.
        now: The present instant.
        started_at: When the step began to wait for this object.
        pods: The live pods that belong to it, as far as they are known.
        memory: Kept between the looks at one object in one step; empty at the first.
    """

    object: LiveObject | None
    status: ObjectStatus
    now: datetime
    started_at: datetime | None = None
    pods: tuple[Body, ...] = ()
    memory: MutableMapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlReport:
    """A statement for a database of the site, by its name there."""

    database: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found, and why.

    Attributes:
        verdict: Success, failure, or undecided: asked again at the next event.
        reason: One sentence for a person; of an undecided check, what it still waits for.
        recheck_after: Ask again after so long although nothing happens; ``None`` for at the next
            event only.
        is_timeout: Whether the failure is that time ran out.
        report: What is told of the failure; once it is told, the step counts as done. ``None``
            for a failure that counts.
    """

    verdict: Verdict
    reason: str = ""
    recheck_after: timedelta | None = None
    is_timeout: bool = False
    report: SqlReport | None = None


@runtime_checkable
class Check(Protocol):
    """Decides from live fields whether a step has succeeded or failed.

    It asks nobody and remembers nothing but in ``CheckRequest.memory``: it is called at every
    event of the object or of its pods.
    """

    async def evaluate(self, request: CheckRequest) -> CheckResult:
        """Return success, failure, or undecided."""
        ...
