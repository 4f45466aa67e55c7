"""A run as a picture that changes in place: one line for each step, and what is waited for.

Before: ``tracker`` counted. After: the last picture stays on the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rollwright.cli.output import printable
from rollwright.cli.progress.tracker import STAGES, StepProgress, Tracker, Waiting
from rollwright.engine.progress import Note, Progress
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.status import Status

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_BAR_WIDTH = 24
_WIDE_ENOUGH = 70
_ECHO_WIDTH = 3
"""Room for the ``^C`` that a terminal echoes: it must not begin a line of its own."""
_EVIDENCE_SHOWN = 2
_FAILURES_SHOWN = 5
_STYLES = {Status.FAILED: "red", Status.UNKNOWN: "red", Status.NOT_FOUND: "red"}


def _console() -> Console:
    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False)


@dataclass(kw_only=True)
class LiveView:
    """Draws on standard error, which is a terminal."""

    tracker: Tracker = field(default_factory=Tracker)
    console: Console = field(default_factory=_console)
    interval_seconds: float = 0.1
    _live: Live | None = None
    _frame: int = 0

    def take(self, progress: Progress) -> None:
        """Hear what happened."""
        self.tracker.take(progress)
        if isinstance(progress, Note):
            self.console.print(Text(f"note: {printable(progress.text)}", style="dim"))
        if self._live is None:
            # The picture is drawn by our own ticker: a thread of rich's would read half-counted
            # sums.
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()

    def tick(self) -> None:
        """Draw."""
        self._frame += 1
        if self._live is not None:
            self._live.update(self.picture(), refresh=True)

    def pause(self) -> None:
        """Leave the terminal; what ended stays on it."""
        if self._live is None:
            return
        self._live.update(Text(""))
        self._live.stop()
        self._live = None
        ended = [step for step in self.tracker.steps.values() if step.began is not None]
        for step in ended:
            self.console.print(self._step_line(step), no_wrap=True, overflow="ellipsis")

    def picture(self) -> Group:
        """Return what is drawn now."""
        lines = list(self._lines())
        room = max(3, self.console.height - 2)
        if len(lines) > room:
            hidden = len(lines) - room + 1
            lines = [*lines[: room - 1], Text(f"  … {hidden} more lines", style="dim")]
        for line in lines:
            line.no_wrap = True
            line.truncate(self.console.width - _ECHO_WIDTH, overflow="ellipsis")
        return Group(*lines)

    def _lines(self) -> Iterator[Text]:
        steps = list(self.tracker.steps.values())
        has_begun = any(step.began is not None for step in steps)
        if not has_begun or self.tracker.stage == "finish":
            yield self._stage_line()
        if not has_begun:
            return
        for step in steps:
            yield self._step_line(step)
            for failure in step.failures[:_FAILURES_SHOWN]:
                yield Text(f"    ✗ {failure.ref}  {printable(failure.message)}", style="red")
            yield from self._waiting_lines(step)

    def _stage_line(self) -> Text:
        now = self.tracker.clock()
        seconds = now - self.tracker.began if self.tracker.began is not None else 0.0
        words = STAGES.get(self.tracker.stage, self.tracker.stage)
        return Text.assemble((self._spin(), "cyan"), f" {words} ", (f"{seconds:.1f} s", "dim"))

    def _step_line(self, step: StepProgress) -> Text:
        mark, style = self._mark(step)
        text = Text.assemble((mark, style), f" {step.name:12} ")
        if step.ended is None and step.began is not None:
            text.append_text(self._bar(step))
            text.append(f" {step.ended_count}/{step.total}")
            if step.waiting:
                text.append(f", waiting for {len(step.waiting)}", style="yellow")
        elif step.began is None:
            text.append(f"{step.total} objects", style="dim")
        else:
            text.append(step.counts(), style="red" if step.failures else "")
        if step.began is not None:
            text.append(f"  {_clock(step.seconds(self.tracker.clock()))}", style="dim")
        return text

    def _mark(self, step: StepProgress) -> tuple[str, str]:
        if step.began is None:
            return "·", "dim"
        if step.ended is None:
            return self._spin(), "cyan"
        return ("✓", "green") if step.outcome is Outcome.SUCCEEDED else ("✗", "red")

    def _bar(self, step: StepProgress) -> Text:
        if self.console.width < _WIDE_ENOUGH:
            return Text("")
        full = _BAR_WIDTH * step.ended_count // max(step.total, 1)
        return Text.assemble(("━" * full, "green"), ("━" * (_BAR_WIDTH - full), "bright_black"))

    def _waiting_lines(self, step: StepProgress) -> Iterator[Text]:
        worst = sorted(
            step.waiting.values(), key=lambda one: (-one.status.status.severity, one.since)
        )
        for one in worst:
            yield self._waiting_line(one)
            for evidence in one.status.evidence[:_EVIDENCE_SHOWN]:
                words = f"{evidence.kind}/{evidence.name}: {evidence.text}".removesuffix(": ")
                yield Text(f"        {printable(words)}", style="dim")

    def _waiting_line(self, one: Waiting) -> Text:
        status = one.status
        why = status.message or status.reason
        return Text.assemble(
            f"    {status.ref}  ",
            (str(status.status), _STYLES.get(status.status, "yellow")),
            f"  {printable(why)}  ",
            (_clock(self.tracker.clock() - one.since), "dim"),
        )

    def _spin(self) -> str:
        return _SPINNER[self._frame % len(_SPINNER)]


def _clock(seconds: float) -> str:
    """Return a duration as a person reads it while it grows."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes else f"{seconds:.1f} s"
