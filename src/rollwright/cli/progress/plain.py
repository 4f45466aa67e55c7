"""A run as lines of text, for logs and CI: what matters at once, the rest once a second.

A thousand objects do not make a thousand lines: many writes of one second become one line.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Protocol

from rollwright.cli.output import printable
from rollwright.cli.progress.tracker import STAGES, StepProgress, Tracker
from rollwright.engine.progress import Applied, ChangeEnded, Note, Progress, StageBegan, StepEnded
from rollwright.rollouts.change import Operation
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.report import ChangeResult

LINES_PER_TICK = 10
"""Written objects of one second that are named each."""

WAITING_PER_TICK = 5
"""Objects that are waited for and named at once."""

FAILURES_NAMED = 20
"""Failures of one step that are named at once; the report has all of them."""


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> int:
        """Write a line."""
        ...

    def flush(self) -> None:
        """Write at once."""
        ...


@dataclass(kw_only=True)
class PlainView:
    """Prints lines on standard error."""

    is_verbose: bool = False
    tracker: Tracker = field(default_factory=Tracker)
    stream: Stream = field(default_factory=lambda: sys.stderr)
    interval_seconds: float = 1.0
    _applied: dict[str, list[ObjectRef]] = field(default_factory=dict)
    _told: dict[ObjectRef, str] = field(default_factory=dict)
    _seen: set[ObjectRef] = field(default_factory=set)

    def take(self, progress: Progress) -> None:
        """Hear what happened; print what cannot wait."""
        self.tracker.take(progress)
        match progress:
            case StageBegan(stage) if self.is_verbose:
                self._say(f"{STAGES.get(stage, stage)}")
            case Note(text):
                self._say(f"note: {text}")
            case Applied(change):
                step = self.tracker.step_of(change.ref).name
                self._applied.setdefault(step, []).append(change.ref)
            case ChangeEnded(result):
                self._take_result(result)
            case StepEnded(result):
                self._flush_applied()
                self._say_end(self.tracker.steps[result.step])

    def tick(self) -> None:
        """Print what was written, and what is waited for."""
        self._flush_applied()
        for step in self.tracker.steps.values():
            self._say_waiting(step)

    def pause(self) -> None:
        """Print what is left."""
        self._flush_applied()
        self.stream.flush()

    def _take_result(self, result: ChangeResult) -> None:
        step = self.tracker.step_of(result.ref)
        if result in step.failures[-1:]:
            count = len(step.failures)
            if count <= FAILURES_NAMED:
                self._say(f"{step.name}: {result.outcome} {result.ref}: {result.message}")
            elif count == FAILURES_NAMED + 1:
                self._say(f"{step.name}: more failures; the report names them")
        elif result.operation is Operation.PRUNE and result.outcome == "succeeded":
            self._applied.setdefault(step.name, []).append(result.ref)

    def _flush_applied(self) -> None:
        for name, refs in self._applied.items():
            verb = "deleted" if name.startswith("prune") else "applied"
            if len(refs) <= LINES_PER_TICK:
                for ref in refs:
                    self._say(f"{name}: {verb} {ref}")
            else:
                step = self.tracker.steps[name]
                so_far = f"{step.ended_count} of {step.total} done"
                self._say(f"{name}: {verb} {len(refs)} objects ({so_far})")
        self._applied.clear()

    def _say_waiting(self, step: StepProgress) -> None:
        """Name what is waited for since the last tick and has something new to say."""
        waiting = {ref: str(one.status) for ref, one in step.waiting.items()}
        patient = {ref: text for ref, text in waiting.items() if ref in self._seen}
        self._seen = (self._seen - self._told.keys()) | waiting.keys()
        news = {ref: text for ref, text in patient.items() if self._told.get(ref) != text}
        for ref, text in list(news.items())[:WAITING_PER_TICK]:
            self._say(f"waiting: {text}")
            self._told[ref] = text
        if (more := len(news) - WAITING_PER_TICK) > 0:
            self._say(f"waiting: and {more} more of {len(waiting)}")
            self._told |= news

    def _say_end(self, step: StepProgress) -> None:
        seconds = step.seconds(self.tracker.clock())
        self._say(f"{step.name}: {step.counts()} ({seconds:.1f} s)")

    def _say(self, text: str) -> None:
        self.stream.write(f"{printable(text)}\n")
        self.stream.flush()
