"""The queue of runs: one running, one waiting, and a fair turn for everybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollwright.engine.listening.queue import Lane, Offered, Queue, backoff


def queue_of(smooth=2, troubled=1, **more):
    return Queue(places={Lane.SMOOTH: smooth, Lane.TROUBLED: troubled}, **more)


def test_the_newest_of_several_offers_waits():
    queue = queue_of()
    queue.offer("shop", "a", now=0)

    assert queue.offer("shop", "b", now=1) == (Offered.REPLACED, "a")
    assert queue.take(2).payload == "b"
    assert queue.take(2) is None


def test_one_waits_while_one_runs():
    queue = queue_of()
    queue.offer("shop", "a", now=0)
    queue.take(0)
    queue.offer("shop", "b", now=1)

    assert queue.take(1) is None
    queue.done("shop", now=2)
    assert queue.take(2).payload == "b"


def test_fifty_offers_during_a_run_make_one_more_run():
    queue = queue_of()
    queue.offer("shop", 0, now=0)
    queue.take(0)
    for number in range(50):
        queue.offer("shop", number, now=1)
    queue.done("shop", now=2)

    assert queue.take(2).payload == 49
    queue.done("shop", now=3)
    assert queue.take(3) is None


def test_an_offer_that_wants_to_be_dropped_is_dropped_while_a_run_is_at_work():
    queue = queue_of()
    queue.offer("row", "a", now=0)
    queue.take(0)

    assert queue.offer("row", "b", now=1, when_active="drop")[0] is Offered.DROPPED
    queue.done("row", now=2)
    assert queue.take(2) is None


def test_rollouts_take_turns():
    queue = queue_of(smooth=1)
    for number in range(3):
        queue.offer(f"big-{number}", number, now=0, rollout="big")
    queue.offer("small", "s", now=0)
    order = []
    for now in range(4):
        turn = queue.take(now)
        order.append(turn.rollout)
        queue.done(turn.instance, now=now)

    assert order == ["big", "small", "big", "big"]


def test_what_failed_stands_in_a_lane_of_its_own():
    queue = queue_of(smooth=1, troubled=1)
    for name in ("bad-1", "bad-2"):
        queue.offer(name, name, now=0)
        queue.take(0)
        queue.failed(name, now=0)
    for name in ("bad-1", "bad-2", "good"):
        queue.offer(name, name, now=10)

    assert [queue.take(10).instance, queue.take(10).instance] == ["bad-1", "good"]
    assert queue.take(10) is None


def test_a_run_that_made_way_says_nothing_of_how_its_rollout_fares():
    queue = queue_of()
    queue.offer("bad", "a", now=0)
    queue.take(0)
    queue.failed("bad", now=1)
    queue.offer("bad", "b", now=1)
    queue.take(1)
    queue.overtaken("bad")
    queue.offer("bad", "c", now=2)

    assert queue.take(2).lane is Lane.TROUBLED


def test_what_takes_long_stands_in_the_lane_of_troubled_ones():
    queue = queue_of(slow_after=60)
    queue.offer("slow", "a", now=0)
    queue.take(0)
    queue.done("slow", now=61)
    queue.offer("slow", "b", now=62)

    assert queue.take(62).lane is Lane.TROUBLED


def test_waiting_for_others_is_no_work():
    queue = queue_of(slow_after=60)
    queue.offer("slow", "a", now=0)
    queue.take(0)
    queue.done("slow", now=600, worked=3)
    queue.offer("slow", "b", now=601)

    assert queue.take(601).lane is Lane.SMOOTH


def test_a_run_that_only_waits_holds_no_place():
    queue = queue_of(smooth=1)
    queue.offer("a", 1, now=0)
    queue.offer("b", 2, now=0)
    queue.take(0)
    queue.rest("a")

    assert queue.take(0).instance == "b"
    queue.resume("a")
    queue.done("a", now=1)
    queue.done("b", now=1)
    queue.offer("c", 3, now=2)
    assert queue.take(2).instance == "c"


def test_a_failed_run_is_tried_again_later_and_later():
    queue = queue_of()
    queue.offer("shop", "a", now=0)
    queue.take(0)

    assert queue.failed("shop", now=1) == 6
    assert queue.take(5) is None
    assert queue.take(6).attempt == 1
    assert queue.failed("shop", now=7) == 17


def test_a_retry_interval_of_its_own_counts():
    queue = queue_of()
    queue.offer("shop", "a", now=0)
    queue.take(0)

    assert queue.failed("shop", now=1, retry_after=30, spread=1.05) == 1 + 30 * 1.05


def test_a_new_offer_does_not_wait_for_the_retry():
    queue = queue_of()
    queue.offer("shop", "a", now=0)
    queue.take(0)
    queue.failed("shop", now=1)
    queue.offer("shop", "b", now=2)

    turn = queue.take(2)
    assert (turn.payload, turn.attempt, turn.waited) == ("b", 0, 0)


def test_a_newer_one_that_waits_replaces_the_retry():
    queue = queue_of()
    queue.offer("shop", "a", now=0)
    queue.take(0)
    queue.offer("shop", "b", now=1)
    queue.failed("shop", now=2)

    assert queue.take(2).payload == "b"
    assert queue.take(100) is None


def test_a_failure_that_is_final_is_not_tried_again():
    queue = queue_of()
    queue.offer("shop", "a", now=0)
    queue.take(0)

    assert queue.failed("shop", now=1, again=False) is None
    assert queue.next_at(1) is None


def test_the_next_instant_is_that_of_the_first_retry():
    queue = queue_of()
    for name in ("a", "b"):
        queue.offer(name, name, now=0)
        queue.take(0)
    queue.failed("a", now=0)
    queue.failed("b", now=10)

    assert queue.next_at(0) == 5
    assert queue.next_at(5) == 15


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 10), (4, 40), (7, 300), (500, 300)])
def test_the_wait_doubles_up_to_five_minutes(failures, seconds):
    assert backoff(failures) == seconds


ACTS = st.lists(
    st.tuples(st.sampled_from("otdfrw"), st.sampled_from(["a", "b", "c", "d"])), max_size=60
)


@given(ACTS)
def test_nothing_runs_twice_at_once_and_places_are_kept(acts):
    queue, running = queue_of(smooth=2, troubled=1), set()
    for now, (act, name) in enumerate(acts):
        if act == "o":
            queue.offer(name, now, now=now)
        elif act == "t" and (turn := queue.take(now)):
            assert turn.instance not in running
            running.add(turn.instance)
        elif name in running and act in "df":
            (queue.done if act == "d" else queue.failed)(name, now=now)
            running.remove(name)

        assert set(queue.running()) == running
        assert len(running) <= 3


@given(ACTS)
def test_the_last_offer_of_each_runs_in_the_end(acts):
    queue, last, ran = queue_of(smooth=2, troubled=1), {}, {}
    for now, (act, name) in enumerate(acts):
        if act == "o":
            queue.offer(name, now, now=now)
            last[name] = now
        elif act == "t" and (turn := queue.take(now)):
            ran[turn.instance] = turn.payload
        elif act == "d":
            queue.done(name, now=now) if name in queue.running() else None
    for now in range(1000, 1020):
        for name in queue.running():
            queue.done(name, now=now)
        while turn := queue.take(now):
            ran[turn.instance] = turn.payload

    assert ran == last


def test_what_hangs_for_the_first_time_gives_its_place_to_others():
    queue = queue_of(smooth=2, stuck_after=10)
    for name in ("hangs", "hangs-too", "healthy"):
        queue.offer(name, name, now=0)
    begun = [queue.take(0), queue.take(0), queue.take(0)]

    assert [one and one.payload for one in begun] == ["hangs", "hangs-too", None]
    assert queue.next_at(0) == 10
    assert queue.take(10).payload == "healthy"


def test_of_those_that_hang_there_are_only_so_many_at_once():
    queue = queue_of(smooth=1, stuck_after=1, most=3)
    for number in range(9):
        queue.offer(f"{number}", number, now=0)
    begun = [queue.take(now) for now in range(1, 20)]

    assert len([one for one in begun if one]) == 3


def test_a_place_that_was_given_away_is_given_back_once():
    queue = queue_of(smooth=1, stuck_after=10)
    for name in ("hangs", "healthy", "other"):
        queue.offer(name, name, now=0)
    queue.take(0)
    queue.take(10)
    queue.done("hangs", now=11)

    assert queue.take(11) is None  # the healthy one has the only place
    queue.done("healthy", now=12)
    assert queue.take(12).payload == "other"
