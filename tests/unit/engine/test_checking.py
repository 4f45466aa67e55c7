"""The checks of a step on one object: which are asked, and what their answers come to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from rollwright.engine.stepping.checking import Examination, NamedCheck, StepChecks
from rollwright.engine.waiting.waiter import Look
from rollwright.plugins.contracts import CheckRequest, CheckResult, Verdict
from rollwright.rollouts.health import WaitOutcome, WaitVerdict
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.status import ObjectStatus, Status

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
REF = ObjectRef("", "ConfigMap", "shop", "a")
GOOD, BAD, OPEN = Verdict.SUCCESS, Verdict.FAILURE, Verdict.UNDECIDED


@dataclass
class Scripted:
    """A check that says one thing after another."""

    answers: list[Verdict]
    asked: list[CheckRequest] = field(default_factory=list)
    timeout: timedelta | None = None
    recheck_after: timedelta | None = None
    is_timeout: bool = False

    async def evaluate(self, request):
        self.asked.append(request)
        request.memory["count"] = request.memory.get("count", 0) + 1
        verdict = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return CheckResult(
            verdict=verdict, reason=f"look {request.memory['count']}",
            recheck_after=self.recheck_after, is_timeout=self.is_timeout,
        )  # fmt: skip


def examination(success=(), failure=(), **more):
    named = [tuple(NamedCheck(name="c", check=one) for one in some) for some in (success, failure)]
    checks = StepChecks(success=named[0], failure=named[1], **more)
    return Examination(checks=checks, started_at=START)


def seen(after=0.0, outcome=WaitOutcome.WAITING, reason=""):
    status = ObjectStatus(ref=REF, status=Status.IN_PROGRESS, message="is coming")
    verdict = WaitVerdict(outcome=outcome, reason=reason)
    now = START + timedelta(seconds=after)
    return Look(live=None, status=status, verdict=verdict, pods=(), now=now)


async def test_all_checks_that_hold_at_once_pass_in_one_look():
    exam = examination([Scripted([GOOD]), Scripted([GOOD])])

    assert (await exam.look(seen())).outcome is WaitOutcome.PASSED


async def test_a_check_is_asked_only_after_the_one_before_it_held():
    first, second = Scripted([OPEN, GOOD]), Scripted([GOOD])
    exam = examination([first, second])
    await exam.look(seen())

    assert (len(first.asked), len(second.asked)) == (1, 0)


async def test_a_check_that_held_is_not_asked_again():
    first, second = Scripted([GOOD]), Scripted([OPEN])
    exam = examination([first, second])
    await exam.look(seen())
    await exam.look(seen())

    assert (len(first.asked), len(second.asked)) == (1, 2)


async def test_each_check_has_a_memory_of_its_own():
    same = Scripted([OPEN])
    exam = examination([same], [same])
    await exam.look(seen())

    assert [one.memory for one in same.asked] == [{"count": 1}, {"count": 1}]


async def test_a_failure_check_ends_the_wait():
    exam = examination([Scripted([OPEN])], [Scripted([OPEN]), Scripted([BAD])])
    found = await exam.look(seen())

    assert (found.outcome, found.message, exam.has_failed) == (
        WaitOutcome.FAILED,
        "check c: look 1",
        True,
    )


async def test_success_counts_before_failure():
    exam = examination([Scripted([GOOD])], [Scripted([BAD])])

    assert (await exam.look(seen())).outcome is WaitOutcome.PASSED


async def test_a_check_that_ran_out_of_time_is_no_failure_check():
    exam = examination([Scripted([BAD], is_timeout=True)])
    found = await exam.look(seen())

    assert (found.outcome, exam.has_failed) == (WaitOutcome.TIMED_OUT, False)


async def test_without_success_checks_health_decides():
    exam = examination(failure=[Scripted([OPEN])])

    assert (await exam.look(seen(outcome=WaitOutcome.PASSED))).outcome is WaitOutcome.PASSED


async def test_the_next_look_is_when_the_first_check_wants_it():
    slow, quick = (Scripted([OPEN], recheck_after=timedelta(seconds=s)) for s in (9, 2))
    exam = examination([slow], [quick])

    assert (await exam.look(seen())).recheck_at == START + timedelta(seconds=2)


@pytest.mark.parametrize(("after", "outcome"), [(9.0, "waiting"), (10.0, "timed-out")])
async def test_a_check_without_a_time_of_its_own_has_that_of_the_rollout(after, outcome):
    exam = examination([Scripted([OPEN])], limit=timedelta(seconds=10))

    assert (await exam.look(seen(after))).outcome == outcome


async def test_a_check_with_a_time_of_its_own_keeps_it():
    exam = examination([Scripted([OPEN], timeout=timedelta(hours=1))], limit=timedelta(seconds=10))

    assert (await exam.look(seen(60))).outcome is WaitOutcome.WAITING


@pytest.mark.parametrize("reason", ["TimedOut", "NoProgress"])
async def test_the_time_of_a_step_counts_instead_of_that_of_health(reason):
    exam = examination(deadline=START + timedelta(hours=1))
    found = await exam.look(seen(60, WaitOutcome.TIMED_OUT, reason))

    assert (found.outcome is WaitOutcome.WAITING) == (reason == "TimedOut")


async def test_a_step_tells_its_own_time_and_not_what_was_left_of_it():
    exam = examination(
        [Scripted([OPEN])],
        deadline=START + timedelta(seconds=4.5), time=timedelta(seconds=5),
    )  # fmt: skip
    found = await exam.look(seen(after=5))

    assert found.message == "not within 5 s: check c: look 1"


async def test_no_check_is_waited_for_once_the_object_has_vanished():
    exam = examination([Scripted([OPEN])])
    found = await exam.look(seen(outcome=WaitOutcome.FAILED, reason="Vanished"))

    assert (found.outcome, found.reason) == (WaitOutcome.FAILED, "Vanished")


async def test_what_others_make_may_be_absent_for_as_long_as_the_rollout_waits():
    exam = replace(examination(limit=timedelta(minutes=1)), must_be_there=False)
    gone = {"outcome": WaitOutcome.FAILED, "reason": "Vanished"}
    looks = [await exam.look(seen(after=after, **gone)) for after in (30, 61)]

    assert [one.outcome for one in looks] == [WaitOutcome.WAITING, WaitOutcome.TIMED_OUT]
