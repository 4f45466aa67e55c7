"""Who is overtaken by whom: the order of the moves, not of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollwright.rollouts.desired import (
    PASSED_KEPT,
    desired_form,
    is_known,
    is_overtaken,
    moved,
    read_desired_form,
)
from rollwright.rollouts.trigger import Trigger

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def a_trigger(number, revision="", kind="webhook", **more):
    facts = {"received_at": NOON + timedelta(seconds=number), **more}
    return Trigger(
        id=f"t{number}", kind=kind, rollout="shop", actor="ada", revision=revision, **facts
    )


def pointer_after(*triggers):
    desired = None
    for trigger in triggers:
        desired = moved(desired, trigger)
    return desired


def test_each_trigger_moves_the_pointer_by_one():
    desired = pointer_after(a_trigger(1, "a"), a_trigger(2, "b"))

    assert (desired.sequence, desired.revision, desired.trigger) == (2, "b", "t2")


def test_a_trigger_that_comes_again_does_not_move_it():
    first, second = a_trigger(1), a_trigger(2)

    assert pointer_after(first, second, first, second).trigger == "t2"


def test_the_latest_move_wins_whatever_the_clocks_say():
    late = a_trigger(1, received_at=NOON + timedelta(hours=1))
    desired = pointer_after(late, a_trigger(2))

    assert is_overtaken(late, desired)
    assert not is_overtaken(a_trigger(2), desired)


def test_the_same_revision_overtakes_nobody():
    first, second = a_trigger(1, "a"), a_trigger(2, "a")

    assert not is_overtaken(first, pointer_after(first, second))


def test_what_the_source_has_is_another_revision_each_time():
    first, second = a_trigger(1), a_trigger(2)

    assert is_overtaken(first, pointer_after(first, second))


def test_going_back_to_a_revision_does_not_overtake_its_first_trigger():
    triggers = [a_trigger(1, "a"), a_trigger(2, "b"), a_trigger(3, "a")]

    assert [is_overtaken(one, pointer_after(*triggers)) for one in triggers] == [False, True, False]


@pytest.mark.parametrize(("sequence", "expected"), [(1, True), (2, False), (3, False)])
def test_a_place_in_the_order_decides(sequence, expected):
    unknown = a_trigger(9, sequence=sequence)

    assert is_overtaken(unknown, pointer_after(a_trigger(1), a_trigger(2))) is expected


@pytest.mark.parametrize(("seconds", "expected"), [(0, True), (60, False)])
def test_a_trigger_that_never_had_the_pointer_is_judged_by_when_it_came(seconds, expected):
    unknown = a_trigger(seconds + 100, received_at=NOON + timedelta(seconds=seconds))

    assert is_overtaken(unknown, pointer_after(a_trigger(10))) is expected


def test_a_run_started_by_hand_is_newer_than_everything_before():
    by_hand = a_trigger(99, kind="manual", received_at=NOON - timedelta(hours=1))

    assert not is_overtaken(by_hand, pointer_after(a_trigger(1)))


def test_the_memory_of_former_triggers_is_bounded():
    desired = pointer_after(*(a_trigger(number) for number in range(PASSED_KEPT + 10)))

    assert len(desired.passed) == PASSED_KEPT
    assert is_known(desired, a_trigger(PASSED_KEPT))
    assert not is_known(desired, a_trigger(0))


def test_the_pointer_survives_its_json():
    desired = pointer_after(a_trigger(1, "a"), a_trigger(2, "b"))

    assert read_desired_form(desired_form(desired)) == desired


def test_the_pointer_in_words_says_what_is_desired_and_by_whom():
    assert str(pointer_after(a_trigger(1, "main@sha1:4f3c"))).startswith(
        "main@sha1:4f3c (asked for by ada at 2025-06-01 12:00:01Z"
    )
