"""A run as a person follows it: lines for logs, a picture for terminals."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from rollwright.cli.progress.live import LiveView
from rollwright.cli.progress.plain import PlainView
from rollwright.cli.progress.tracker import Tracker
from rollwright.engine.progress import (
    Applied,
    ChangeEnded,
    Note,
    Planned,
    Seen,
    StageBegan,
    StepBegan,
    StepEnded,
)
from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Plan, Step, Wave
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult
from rollwright.rollouts.status import Evidence, ObjectStatus, Status

AT = datetime(2026, 1, 1, tzinfo=UTC)


def ref(number=0, kind="Deployment"):
    return ObjectRef("apps", kind, "shop", f"web-{number}")


def a_change(number=0, operation=Operation.CREATE):
    return Change(ref=ref(number), api_version="apps/v1", operation=operation)


def a_plan(*changes, name="apply-0"):
    step = Step(name=name, action="Apply", changes=changes)
    return Plan(
        id="", rollout="shop", cluster="", cluster_id="", source="", made_at=AT,
        waves=(Wave(name=name, steps=(step,)),),
    )  # fmt: skip


def ended(change, outcome=Outcome.SUCCEEDED, message=""):
    return ChangeEnded(
        ChangeResult(ref=change.ref, operation=change.operation, outcome=outcome, message=message)
    )


def step_ended(name="apply-0", outcome=Outcome.SUCCEEDED):
    return StepEnded(StepResult(step=name, outcome=outcome))


def waits(number=0, message="Ready: 1/2", **facts):
    return Seen(ObjectStatus(ref=ref(number), status=Status.IN_PROGRESS, message=message, **facts))


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Following:
    """A view that has been told of a plan and of the beginning of its only step."""

    def __init__(self, view, *changes, name="apply-0"):
        self.view, self.plan = view, a_plan(*changes, name=name)
        self.hear(Planned(self.plan), StepBegan(self.plan.waves[0].steps[0]))

    def hear(self, *events):
        for event in events:
            self.view.take(event)


def plain(*changes, name="apply-0", is_verbose=False):
    view = PlainView(stream=io.StringIO(), tracker=Tracker(clock=Clock()), is_verbose=is_verbose)
    return Following(view, *changes, name=name)


def lines(following):
    return following.view.stream.getvalue().splitlines()


def test_written_objects_are_named_when_there_are_few():
    changes = [a_change(0), a_change(1)]
    following = plain(*changes)
    following.hear(*(Applied(change) for change in changes))
    following.view.tick()

    assert lines(following) == [
        "apply-0: applied Deployment/shop/web-0",
        "apply-0: applied Deployment/shop/web-1",
    ]


def test_a_thousand_objects_do_not_flood():
    changes = [a_change(number) for number in range(1000)]
    following = plain(*changes)
    for change in changes:
        following.hear(Applied(change), ended(change))
    following.view.tick()
    following.hear(step_ended())

    assert lines(following) == [
        "apply-0: applied 1000 objects (1000 of 1000 done)",
        "apply-0: 1000 created (0.0 s)",
    ]


def test_what_is_waited_for_is_told_once_it_lasts():
    following = plain(a_change())
    following.hear(waits())
    following.view.tick()
    before = lines(following)
    following.view.tick()
    following.view.tick()

    assert (before, lines(following)) == (
        [], ["waiting: Deployment/shop/web-0 InProgress: Ready: 1/2"],
    )  # fmt: skip


def test_news_of_what_is_waited_for_are_told():
    following = plain(a_change())
    for message in ("Ready: 0/2", "Ready: 0/2", "Ready: 1/2"):
        following.hear(waits(message=message))
        following.view.tick()

    assert [line.rpartition(" ")[2] for line in lines(following)] == ["0/2", "1/2"]


def test_many_that_are_waited_for_are_counted():
    changes = [a_change(number) for number in range(100)]
    following = plain(*changes)
    following.hear(*(waits(number) for number in range(100)))
    following.view.tick()
    following.view.tick()

    assert (len(lines(following)), lines(following)[-1]) == (6, "waiting: and 95 more of 100")


def test_what_ended_is_not_waited_for():
    change = a_change()
    following = plain(change)
    following.hear(waits())
    following.view.tick()
    following.hear(ended(change))
    following.view.tick()

    assert lines(following) == []


def test_failures_are_told_at_once():
    change = a_change()
    following = plain(change)
    following.hear(ended(change, Outcome.FAILED, "crashes"))

    assert lines(following) == ["apply-0: failed Deployment/shop/web-0: crashes"]


def test_many_failures_are_left_to_the_report():
    changes = [a_change(number) for number in range(50)]
    following = plain(*changes)
    following.hear(*(ended(change, Outcome.FAILED, "crashes") for change in changes))

    assert (len(lines(following)), lines(following)[-1]) == (
        21, "apply-0: more failures; the report names them",
    )  # fmt: skip


def test_deletes_are_called_deletes():
    change = a_change(operation=Operation.PRUNE)
    following = plain(change, name="prune-0")
    following.hear(ended(change), step_ended("prune-0"))

    assert lines(following) == [
        "prune-0: deleted Deployment/shop/web-0",
        "prune-0: 1 deleted (0.0 s)",
    ]


def test_a_step_ends_with_its_counts():
    changes = [a_change(0), a_change(1, Operation.KEEP), a_change(2)]
    following = plain(*changes)
    following.hear(
        ended(changes[0]), ended(changes[1]), ended(changes[2], Outcome.SKIPPED),
        step_ended(outcome=Outcome.FAILED),
    )  # fmt: skip

    assert lines(following)[-1] == "apply-0: 1 created, 1 unchanged, 1 not done (0.0 s)"


def test_what_timed_out_is_no_failure_like_others():
    changes = [a_change(0), a_change(1)]
    following = plain(*changes)
    following.hear(
        ended(changes[0], Outcome.TIMED_OUT), ended(changes[1], Outcome.FAILED),
        step_ended(outcome=Outcome.FAILED),
    )  # fmt: skip

    assert lines(following)[-1] == "apply-0: 1 failed, 1 timed out (0.0 s)"


@pytest.mark.parametrize(("is_verbose", "count"), [(True, 1), (False, 0)])
def test_stages_are_told_to_those_who_want_more(is_verbose, count):
    following = plain(a_change(), is_verbose=is_verbose)
    following.hear(StageBegan("forecast"))

    assert lines(following) == ["asking the server what would change"] * count


def test_notes_are_told():
    following = plain(a_change())
    following.hear(Note("was interrupted"))

    assert lines(following) == ["note: was interrupted"]


def test_objects_cannot_steer_the_terminal():
    following = plain(a_change())
    following.hear(Note("\x1b[2J"))

    assert "\x1b" not in following.view.stream.getvalue()


def live(*changes, width=100, height=20):
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    view = LiveView(console=console, tracker=Tracker(clock=Clock()))
    return Following(view, *changes)


def picture(following):
    """Return what is drawn, as text."""
    console = following.view.console
    with console.capture() as capture:
        console.print(following.view.picture())
    from rich.text import Text

    return Text.from_ansi(capture.get()).plain.splitlines()


def test_a_picture_has_a_line_for_the_step_and_one_for_what_is_waited_for():
    following = live(a_change(0), a_change(1))
    following.hear(
        ended(a_change(0)), waits(1, evidence=(Evidence(kind="Pod", name="p", text="x"),))
    )
    drawn = picture(following)
    following.view.pause()

    assert "1/2, waiting for 1" in drawn[0]
    assert drawn[1].split() == ["Deployment/shop/web-1", "InProgress", "Ready:", "1/2", "0.0", "s"]
    assert drawn[2].strip() == "Pod/p: x"


@pytest.mark.parametrize("width", [30, 60, 200])
def test_a_picture_fits_its_terminal(width):
    following = live(*(a_change(number) for number in range(50)), width=width, height=10)
    following.hear(*(waits(number, "x" * 300) for number in range(50)))
    drawn = picture(following)
    following.view.pause()

    assert (len(drawn) <= 10, max(len(line) for line in drawn) <= width) == (True, True)


def test_a_picture_of_the_beginning_says_which_stage_it_is():
    view = LiveView(
        console=Console(file=io.StringIO(), width=80, force_terminal=True),
        tracker=Tracker(clock=Clock()),
    )
    view.take(StageBegan("read"))
    with view.console.capture() as capture:
        view.console.print(view.picture())
    view.pause()

    assert "reading the cluster" in capture.get()


def test_the_last_picture_stays():
    following = live(a_change())
    following.hear(ended(a_change()), step_ended())
    following.view.pause()

    assert "1 created" in following.view.console.file.getvalue()


def in_two_steps():
    change = a_change(0)
    first = Step(name="g/write", action="Apply", changes=(change,), group="g")
    second = Step(name="g/look", action="Wait", changes=(change,), group="g")
    waves = tuple(Wave(name=step.name, steps=(step,)) for step in (first, second))
    plan = Plan(
        id="", rollout="shop", cluster="", cluster_id="", source="", made_at=AT, waves=waves
    )
    return plan, first, second


def test_an_object_of_two_steps_counts_in_the_one_at_work():
    plan, first, second = in_two_steps()
    told = io.StringIO()
    view = PlainView(stream=told, tracker=Tracker(clock=Clock()))
    view.take(Planned(plan))
    for step in (first, second):
        result = ended(step.changes[0]).result
        view.take(StepBegan(step))
        view.take(StepEnded(StepResult(step=step.name, outcome=result.outcome, changes=(result,))))

    assert told.getvalue().splitlines() == [
        "g/write: 1 created (0.0 s)",
        "g/look: 1 created (0.0 s)",
    ]


@pytest.mark.parametrize(
    ("outcome", "message", "words"),
    [
        (Outcome.SUCCEEDED, "waited 5s", "waited 5s"),
        (Outcome.SUCCEEDED, "", "succeeded"),
        (Outcome.FAILED, "a person said no", "failed: a person said no"),
        (Outcome.SUCCEEDED, "x" * 200, "x" * 79 + "…"),
    ],
)
def test_a_step_without_objects_says_how_it_ended(outcome, message, words):
    following = plain(name="g/pause")
    following.hear(StepEnded(StepResult(step="g/pause", outcome=outcome, message=message)))

    assert lines(following) == [f"g/pause: {words} (0.0 s)"]
