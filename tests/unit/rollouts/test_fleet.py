"""Which clusters may start, and when it is enough: tables and properties, no clock, no cluster."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollwright.rollouts.fleet import (
    FleetOutcome,
    Pace,
    TargetStatus,
    breach,
    conclude_fleet,
    is_over,
    make_fleet,
    may_start,
    read_share,
    rounded_down,
    rounded_up,
    select_targets,
)

DONE, BAD = TargetStatus.SUCCEEDED, TargetStatus.FAILED
BUSY, SOAKING, SKIP = TargetStatus.PROGRESSING, TargetStatus.SOAKING, TargetStatus.SKIP
TEN = tuple("abcdefghij")


def a_fleet(targets=TEN, **pace):
    return make_fleet(targets, Pace(**pace))


def sizes(*serial, count=10):
    return [len(batch) for batch in a_fleet(tuple(range(count)), serial=serial).batches]


@pytest.mark.parametrize(
    ("serial", "count", "expected"),
    [
        ((), 10, [10]),
        ((1,), 3, [1, 1, 1]),
        ((4,), 10, [4, 4, 2]),
        ((1, 3), 10, [1, 3, 3, 3]),
        ((1, "10%", "50%"), 20, [1, 2, 10, 7]),
        (("25%",), 10, [2, 2, 2, 2, 2]),
        (("1%",), 3, [1, 1, 1]),
        (("100%",), 7, [7]),
        ((50,), 7, [7]),
        (("30%", 100), 12, [3, 9]),
    ],
)
def test_batches_round_down_and_the_last_size_repeats(serial, count, expected):
    assert sizes(*serial, count=count) == expected


@pytest.mark.parametrize(
    ("share", "count", "up", "down"),
    [(3, 10, 3, 3), ("10%", 12, 2, 1), ("0%", 12, 0, 1), (20, 12, 12, 20), ("100%", 5, 5, 5)],
)
def test_budgets_round_up_and_are_never_more_than_all(share, count, up, down):
    assert (rounded_up(share, count), rounded_down(share, count)) == (up, down)


@pytest.mark.parametrize("text", ["", "ten", "-1", "10 %", "101%", "1.5", "%"])
def test_what_is_no_number_and_no_per_cent_is_refused(text):
    with pytest.raises(ValueError, match="neither"):
        read_share(text)


@pytest.mark.parametrize(
    "pace", [{"serial": (0,)}, {"max_failures": -1}, {"soak": timedelta(seconds=-1)}]
)
def test_a_pace_that_never_ends_or_never_was_is_refused(pace):
    with pytest.raises(ValueError, match=r"batch of 0|neither|negative"):
        Pace(**pace)


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        (("b", "a"), {}, ("b", "a")),
        ((), {"env": "prod"}, ("a", "c")),
        (("c",), {"env": "prod"}, ("c", "a")),
        ((), {"env": "prod", "zone": "1"}, ("c",)),
        ((), {"env": "none"}, ()),
        ((), {}, ()),
    ],
)
def test_clusters_are_named_in_order_or_selected_by_all_labels(names, labels, expected):
    known = {"c": {"env": "prod", "zone": "1"}, "a": {"env": "prod"}, "b": {}}

    assert select_targets(known, names, labels) == expected


def test_a_cluster_that_is_not_there_is_told():
    with pytest.raises(LookupError, match="nowhere"):
        select_targets({"a": {}}, ("a", "nowhere"), {})


def test_the_first_batch_starts_alone():
    assert may_start(a_fleet(serial=(2, 8)), {}) == ("a", "b")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (DONE, DONE, ("c", "d")),
        (DONE, SKIP, ("c", "d")),
        (DONE, BUSY, ()),
        (DONE, SOAKING, ()),
        (DONE, BAD, ()),
        (BUSY, BAD, ()),
    ],
)
def test_the_next_batch_waits_for_the_end_of_the_one_before(first, second, expected):
    assert may_start(a_fleet(serial=(2,)), {"a": first, "b": second}) == expected


def test_failures_within_the_budget_stop_nothing():
    fleet = a_fleet(serial=(2,), max_failures=1)

    assert may_start(fleet, {"a": DONE, "b": BAD}) == ("c", "d")


@pytest.mark.parametrize(
    ("budget", "failed", "stops"),
    [(0, 1, True), (1, 1, False), ("10%", 1, False), ("15%", 3, True)],
)
def test_more_failures_than_tolerated_stop_new_starts(budget, failed, stops):
    statuses = dict.fromkeys(TEN[:failed], BAD)

    assert bool(breach(a_fleet(max_failures=budget), statuses)) is stops


def test_the_breach_names_who_failed():
    assert breach(a_fleet(), {"c": BAD, "a": BAD}) == "2 failures of 0 tolerated: a, c"


@pytest.mark.parametrize(
    ("min_success", "statuses", "expected"),
    [
        ("50%", (DONE, BAD), ""),
        ("51%", (DONE, BAD), "only 1 of batch 1 succeeded; at least 2 had to"),
        (2, (DONE, SKIP), ""),
        (1, (BAD, BUSY), ""),
        (5, (DONE, DONE), ""),
    ],
)
def test_a_batch_must_succeed_enough_once_it_is_over(min_success, statuses, expected):
    fleet = a_fleet(serial=(2,), max_failures="100%", min_success=min_success)

    assert breach(fleet, dict(zip("ab", statuses, strict=True))) == expected


def test_no_more_are_in_work_than_allowed():
    fleet = a_fleet(max_concurrency=3)

    assert may_start(fleet, {"a": BUSY, "b": DONE, "c": SOAKING}) == ("d",)


@pytest.mark.parametrize(
    ("statuses", "is_cancelled", "expected"),
    [
        (dict.fromkeys(TEN, DONE), False, FleetOutcome.SUCCEEDED),
        ({**dict.fromkeys(TEN, DONE), "a": SKIP}, False, FleetOutcome.SUCCEEDED),
        ({**dict.fromkeys(TEN, DONE), "a": BAD}, False, FleetOutcome.SUCCEEDED_WITH_FAILURES),
        ({"a": BAD, "b": BAD}, False, FleetOutcome.STOPPED),
        ({"a": DONE}, True, FleetOutcome.CANCELLED),
        (dict.fromkeys(TEN, DONE), True, FleetOutcome.SUCCEEDED),
    ],
)
def test_how_it_ended(statuses, is_cancelled, expected):
    fleet = a_fleet(max_failures=1)

    assert conclude_fleet(fleet, statuses, is_cancelled=is_cancelled) is expected


SHARES = st.one_of(st.integers(0, 12), st.integers(0, 100).map(lambda number: f"{number}%"))
PACES = st.builds(
    Pace,
    serial=st.lists(SHARES.filter(lambda one: one != 0), max_size=4).map(tuple),
    max_failures=SHARES,
    min_success=SHARES,
    max_concurrency=SHARES,
)


@given(st.integers(1, 15), PACES, st.data())
def test_whatever_happens_it_ends_and_never_starts_after_a_breach(count, pace, data):
    fleet = make_fleet(tuple(f"c{number}" for number in range(count)), pace)
    statuses: dict[str, TargetStatus] = {}
    for _ in range(4 * count):
        started = may_start(fleet, statuses)
        assert not (started and breach(fleet, statuses))
        assert not set(started) & set(statuses)
        statuses.update(dict.fromkeys(started, BUSY))
        busy = sorted(one for one, status in statuses.items() if status is BUSY)
        limit = max(rounded_up(pace.max_concurrency, count), 1)
        assert len(busy) <= limit
        if not busy:
            break
        ended = data.draw(st.sampled_from(busy))
        statuses[ended] = data.draw(st.sampled_from([DONE, BAD, SKIP]))

    assert is_over(fleet, statuses)
    assert (set(statuses) == set(fleet.targets)) or breach(fleet, statuses)


@given(st.permutations(TEN), PACES, st.lists(st.sampled_from([DONE, BAD, SKIP]), max_size=10))
def test_the_order_of_events_decides_nothing(order, pace, endings):
    fleet = make_fleet(TEN, pace)
    statuses = dict(zip(TEN, endings, strict=False))
    shuffled = {one: statuses[one] for one in order if one in statuses}

    assert may_start(fleet, statuses) == may_start(fleet, shuffled)
    assert breach(fleet, statuses) == breach(fleet, shuffled)
