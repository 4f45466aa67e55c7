"""A plan that waits for an approval, in words.

Before: somebody was asked. After: ``status`` shows who, since when, and how to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollwright.rollouts.approving import ApprovalRequest, Question, brief
from rollwright.rollouts.describe.lines import Line, Tone


def waiting_lines(request: ApprovalRequest | None) -> Iterator[Line]:
    """Yield what waits for an approval; nothing if nothing does."""
    if request is None:
        return
    since, until = (f"{at:%Y-%m-%d %H:%M:%SZ}" for at in (request.asked_at, request.expires_at))
    plan = f"plan {brief(request.plan_id)} waits for an approval since {since}, until {until}"
    yield Line(f"{plan}: {request.summary}", Tone.WARNING, 1)
    asked = f"asked by {request.asked_by} ({request.trigger}), because of {request.reason}"
    yield Line(asked, Tone.QUIET, 2)
    if request.run_name:
        yield Line(f"flow run {request.run_name!r} ({request.run})", Tone.QUIET, 2)
    name = request.rollout
    yield Line(f"`rollwright approve {name}` or `rollwright reject {name}`", Tone.QUIET, 2)


def question_lines(rollout: str, questions: Iterable[Question]) -> Iterator[Line]:
    """Yield the steps that wait for a person, what they ask, and how to answer."""
    for one in questions:
        yield Line(f"step {one.step} waits for a person since {one.at}", Tone.WARNING, 1)
        yield Line(one.question, Tone.QUIET, 2)
        yield Line(
            f"`rollwright approve {rollout}` or `rollwright reject {rollout}`", Tone.QUIET, 2
        )
