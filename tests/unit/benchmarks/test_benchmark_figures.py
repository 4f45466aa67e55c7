"""From samples to medians, ratios, goals and tables."""

from __future__ import annotations

import pytest
from benchmarks.figures import Measured, Results, Sample, Summary, ratio, summarize
from benchmarks.goals import ENGINE, NO_DRY_RUN, judge, verdict_of
from benchmarks.tables import calls_text, case_table, columns, goal_table


def a_sample(case="M first", peer="limit", number=1, seconds=1.0, **more):
    return Sample(case=case, peer=peer, round=number, measured=Measured(seconds=seconds, **more))


def test_nothing_has_no_summary():
    assert summarize([]) is None


def test_a_summary_takes_the_middle_of_an_even_number():
    assert summarize([4.0, 1.0, 2.0, 3.0]) == Summary(1.0, 2.5, 4.0)


def test_a_ratio_is_taken_within_its_round():
    slow_second_round = ratio({1: 2.0, 2: 20.0, 3: 2.0}, {1: 1.0, 2: 10.0, 3: 1.0})

    assert slow_second_round == 2.0


def test_a_ratio_leaves_rounds_out_that_only_one_has():
    assert ratio({1: 3.0, 2: 100.0}, {1: 1.0}) == 3.0


@pytest.mark.parametrize("base", [{}, {2: 1.0}, {1: 0.0}])
def test_without_a_base_there_is_no_ratio(base):
    assert ratio({1: 3.0}, base) is None


def test_a_failed_run_counts_for_nothing():
    results = Results((a_sample(), a_sample(number=2, seconds=9.0, failure="exit 1")))

    assert results.seconds("M first", "limit") == {1: 1.0}


def test_a_failed_run_is_told():
    results = Results((a_sample(number=2, failure="exit 1"),))

    assert results.failures("M first", "limit") == ("exit 1",)


def test_a_part_of_a_run_can_be_asked_for():
    results = Results((a_sample(parts={"applied": 0.4}), a_sample(number=2)))

    assert results.seconds("M first", "limit", "applied") == {1: 0.4}


def test_cases_and_peers_keep_their_order():
    results = Results((a_sample("b", "z"), a_sample("a", "y"), a_sample("b", "x")))

    assert (results.cases(), results.peers("b")) == (("b", "a"), ("z", "x"))


def test_columns_are_as_wide_as_their_widest_cell():
    lines = list(columns([("peer", "s"), ("limit", "10.0")], right=(1,)))

    assert lines == ["peer      s", "limit  10.0"]


def test_a_table_names_ratio_and_calls():
    results = Results((
        a_sample(seconds=2.0, calls={"apply": 1001}),
        a_sample(peer="kubectl", seconds=6.0),
    ))  # fmt: skip

    table = list(case_table(results, "M first"))

    assert table[2].split() == ["limit"] + ["2.000"] * 3 + ["1.00", "0.00", "0.00", "1001", "apply"]
    assert table[3].split() == ["kubectl"] + ["6.000"] * 3 + ["3.00", "0.00", "0.00", "-"]


def test_a_peer_without_a_good_run_has_no_figures():
    results = Results((a_sample(peer="helm", failure="exit 1: no chart"),))

    table = "\n".join(case_table(results, "M first"))

    assert "helm failed: exit 1: no chart" in table


def test_no_calls_are_a_dash():
    assert calls_text({}) == "-"


def test_a_goal_is_reached_by_the_ratio():
    results = Results((
        a_sample(seconds=2.0),
        a_sample(peer=ENGINE, seconds=3.3),
        a_sample(peer=NO_DRY_RUN, seconds=2.5),
    ))  # fmt: skip

    reached = {one.who: one.is_reached for one in judge(results) if one.figure}

    assert reached == {ENGINE: True, NO_DRY_RUN: False}


def test_a_goal_without_its_peer_is_not_measured():
    verdicts = judge(Results((a_sample(),)))

    assert {one.is_reached for one in verdicts} == {None}


def test_cases_that_were_not_run_have_no_goals():
    assert judge(Results((a_sample(case="own first"),))) == ()


def test_a_run_with_nothing_to_do_must_not_write():
    results = Results((a_sample("M again", ENGINE, calls={"list": 5, "apply": 1}),))

    quiet = next(one for one in judge(results) if "no write" in one.text)

    assert (quiet.figure, quiet.is_reached) == ("5 LISTs, 1 others", False)


def test_ten_changes_may_cost_twenty_calls():
    calls = {"list": 5, "dry-run": 10, "apply": 10}
    results = Results((a_sample("M again, 10 changed", ENGINE, calls=calls),))

    few = next(one for one in judge(results) if "each changed object" in one.text)

    assert few.is_reached


@pytest.mark.parametrize(
    ("found", "word"), [(1.0, "reached"), (2.0, "NOT REACHED"), (None, "not measured")]
)
def test_a_goal_says_in_words_what_became_of_it(found, word):
    verdict = verdict_of("M first", ENGINE, "text", found, 1.5)

    assert list(goal_table([verdict]))[1].endswith(word)
