"""How far each group of a run is, for the conditions of the object that set it off.

Before: a run told its plan, its steps, its end. After: ``conditions`` writes the words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.report import Outcome, Report, StepResult


class GroupState(StrEnum):
    """The values of ``currentStatus`` (DOC-62)."""

    NOT_STARTED = "Not Started"
    IN_PROGRESS = "In Progress"
    FINISHED = "Finished"
    FAILED = "Failed"
    ROLLED_BACK = "Rolled Back"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupProgress:
    """How far one group is."""

    name: str
    state: GroupState = GroupState.NOT_STARTED
    message: str = ""


_WENT_WRONG = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
_OPEN = frozenset({Outcome.NOT_STARTED, Outcome.CANCELLED})


@dataclass(slots=True)
class Groups:
    """The groups of one run, in their order.

    A rollback and a removal have steps, too, but no groups that anybody waits for.
    """

    _names: tuple[str, ...] = ()
    _steps: dict[str, Step] = field(default_factory=dict)
    _ended: dict[str, StepResult] = field(default_factory=dict)
    _progress: dict[str, GroupProgress] = field(default_factory=dict)

    @property
    def progress(self) -> tuple[GroupProgress, ...]:
        """How far each of them is."""
        return tuple(self._progress.values())

    @property
    def is_known(self) -> bool:
        """Whether anybody told yet which groups there are."""
        return bool(self._progress)

    def named(self, names: Iterable[str]) -> None:
        """Take the names of all groups, before anything is planned; none has begun (DOC-63)."""
        self._names = tuple(names)
        self._steps, self._ended = {}, {}
        self._progress = {name: GroupProgress(name=name) for name in self._names}

    def planned(self, plan: Plan) -> None:
        """Take the groups of a plan; none has begun."""
        if plan.rollback is not None or plan.is_removal:
            return
        self._steps = {step.name: step for step in plan.steps if step.group and not step.hook}
        names = dict.fromkeys((*self._names, *(step.group for step in self._steps.values())))
        self._progress = {name: GroupProgress(name=name) for name in names}
        self._ended = {}

    def began(self, step: Step) -> None:
        """Take the beginning of a step."""
        if step.name in self._steps and self._state(step.group) is GroupState.NOT_STARTED:
            self._set(step.group, GroupState.IN_PROGRESS)

    def ended(self, result: StepResult) -> None:
        """Take the end of a step; its group ends with the last of them."""
        step = self._steps.get(result.step)
        if step is not None:
            self._ended[result.step] = result
            self._judge(step.group, is_over=False)

    def concluded(self, report: Report) -> None:
        """Take the end of the run."""
        self._ended |= {one.step: one for one in report.results if one.step in self._steps}
        if report.outcome is Outcome.SUCCEEDED and not report.results:
            for name in self._progress:
                self._set(name, GroupState.FINISHED)
            return
        for name in self._progress:
            self._judge(name, is_over=True)
        if report.outcome is Outcome.SUCCEEDED:
            self._finish_empty()
        if report.rollback is not None and report.rollback.outcome is Outcome.SUCCEEDED:
            self._roll_back()

    def broken(self, message: str) -> None:
        """Take that something broke the run off: the group that it had come to has failed."""
        if any(one.state is GroupState.FAILED for one in self._progress.values()):
            return
        states = ((name, one.state) for name, one in self._progress.items())
        reached = next((name for name, state in states if state is not GroupState.FINISHED), None)
        if reached is not None:
            self._set(reached, GroupState.FAILED, message)

    def _finish_empty(self) -> None:
        """Finish what has no steps left, such as a group that deletes what is not there."""
        for name in self._progress.keys() - {step.group for step in self._steps.values()}:
            self._set(name, GroupState.FINISHED)

    def _judge(self, group: str, *, is_over: bool) -> None:
        steps = [step for step in self._steps.values() if step.group == group]
        if not steps:
            return
        known = {one.name: self._ended[one.name] for one in steps if one.name in self._ended}
        if bad := [known[one.name] for one in steps if _is_bad(one, known.get(one.name))]:
            self._set(group, GroupState.FAILED, _why(bad))
        elif len(known) == len(steps) and not any(one.outcome in _OPEN for one in known.values()):
            self._set(group, GroupState.FINISHED, _forgiven(known.values()))
        elif any(one.outcome is not Outcome.NOT_STARTED for one in known.values()):
            self._set(group, GroupState.IN_PROGRESS, _why(known.values()) if is_over else "")

    def _roll_back(self) -> None:
        for name, one in self._progress.items():
            if one.state is not GroupState.NOT_STARTED:
                self._set(name, GroupState.ROLLED_BACK, one.message)

    def _state(self, group: str) -> GroupState:
        return self._progress[group].state

    def _set(self, group: str, state: GroupState, message: str = "") -> None:
        self._progress[group] = GroupProgress(name=group, state=state, message=message)


def _is_bad(step: Step, result: StepResult | None) -> bool:
    return result is not None and result.outcome in _WENT_WRONG and not step.continue_on_error


def _why(results: Iterable[StepResult]) -> str:
    """Return the first cause that is told: of an object, else of a step."""
    for result in results:
        if result.outcome is Outcome.SUCCEEDED:
            continue
        for change in result.changes:
            if change.outcome in _WENT_WRONG and change.message:
                return f"{change.ref}: {change.message}"
        if result.message:
            return result.message
    return ""


def _forgiven(results: Iterable[StepResult]) -> str:
    """Return what went wrong although the group went on, or that it was only reported."""
    listed = list(results)
    told = [f"{one.step} {one.message}" for one in listed if one.is_reported]
    return "; ".join(told) or _why(listed)
