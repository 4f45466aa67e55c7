"""The check ``fieldComparisons``: DOC-22 to DOC-34, without the faults DOC-N3 to DOC-N18."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from rollwright.checks.comparing import SEVERAL
from rollwright.checks.field_comparisons import FieldComparisons
from rollwright.errors import InvalidSpec
from rollwright.plugins.contracts import Verdict
from rollwright.plugins.registry import Registry
from rollwright.rollouts.live import live_object
from rollwright.rollouts.spec.uses import CheckUse
from rollwright.testing.check_contract import a_check_request, without_object

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def a_body(generation=2, kind="Thing", version="example.com/v1", **status):
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "a", "namespace": "b", "generation": generation},
        "status": status,
    }


def a_check(*comparisons, **options):
    return FieldComparisons.model_validate({"expectedValues": comparisons, **options})


def static(path, value, **more):
    return {"path": path, "value": {"static": value}, **more}


async def verdict(check, body, **more):
    return (await check.evaluate(a_check_request(body, **more))).verdict


async def reason(check, body, **more):
    return (await check.evaluate(a_check_request(body, **more))).reason


def built(options):
    return Registry().build("checks", "fieldComparisons", options)


def problems(options):
    with pytest.raises(InvalidSpec) as caught:
        built(options)
    return {one.path: one.message for one in caught.value.problems}


# --- both forms, and what is refused when the document is read ---------------------------------


def test_the_list_form_is_the_object_form_with_defaults() -> None:
    one = static("{.status.a}", 1)

    assert FieldComparisons.model_validate([one]) == a_check(one)


def test_defaults_are_those_of_the_older_format() -> None:
    check = a_check(static("{.status.a}", 1))

    assert (check.timeout, check.progress_timeout, check.poll_interval) == (
        HOUR,
        5 * MINUTE,
        timedelta(seconds=5),
    )


def test_the_list_form_is_read_wherever_a_check_is_named() -> None:
    one = static("{.status.a}", 1)
    forms = [
        {"fieldComparisons": [one]},
        {"fieldComparisons": {"expectedValues": [one]}},
        {"use": "fieldComparisons", "with": [one]},
        {"use": "fieldComparisons", "with": {"expectedValues": [one]}},
    ]

    read = [TypeAdapter(CheckUse).validate_python(form) for form in forms]

    assert read == [read[0]] * 4


@pytest.mark.parametrize("empty", [[], {}, {"expectedValues": []}, {"expectedValues": None}])
def test_comparing_nothing_is_refused(empty) -> None:
    with pytest.raises(ValidationError):
        FieldComparisons.model_validate(empty)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"static": None},
        {"path": "{.a}", "static": 1},
        {"static": 1, "staticInt64": 1},
        {"path": "{.a}", "staticInt64": 1},
    ],
)
def test_the_right_side_is_exactly_one(value) -> None:
    found = problems({"expectedValues": [{"path": "{.status.a}", "value": value}]})

    assert "exactly one of path, static and staticInt64" in found["with.expectedValues[0].value"]


def test_a_comparison_without_a_right_side_is_refused() -> None:
    found = problems({"expectedValues": [{"path": "{.status.a}"}]})

    assert found == {"with.expectedValues[0].value": "missing"}


@pytest.mark.parametrize("path", ["", "{}", "{.a", "{.a}{.b}", "{range .a}", "{.a[}"])
def test_what_is_no_path_is_refused(path) -> None:
    found = problems({"expectedValues": [static(path, 1)]})

    assert list(found) == ["with.expectedValues[0].path"]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1.5, "1", True])
def test_static_int64_is_a_whole_number_of_64_bits(value) -> None:
    with pytest.raises(ValidationError):
        a_check({"path": "{.status.a}", "value": {"staticInt64": value}})


@pytest.mark.parametrize("interval", [0, "0", "0s"])
def test_a_poll_interval_of_zero_is_refused(interval) -> None:
    found = problems({"expectedValues": [static("{.a}", 1)], "pollInterval": interval})

    assert found == {"with.pollInterval": "must be longer than 0"}


def test_what_is_null_takes_its_default() -> None:
    one = static("{.status.a}", 1)

    assert a_check(one, timeout=None, pollInterval=None, reportTimeout=None) == a_check(one)


@pytest.mark.parametrize(
    ("report", "place"),
    [
        ({"database": {"name": "main"}}, "with.reportTimeout.database.query"),
        ({"database": {"name": "", "query": {"stmt": "x"}}}, "with.reportTimeout.database.name"),
        ({"database": {"name": "a", "query": {"stmt": ""}}}, "with.reportTimeout.database.query"),
        ({"url": "x"}, "with.reportTimeout"),
    ],
)
def test_a_report_that_says_not_what_and_where_is_refused(report, place) -> None:
    found = problems({"expectedValues": [static("{.a}", 1)], "reportTimeout": report})

    assert any(path.startswith(place) for path in found)


def test_an_unused_field_of_the_older_format_is_refused_by_name() -> None:
    found = problems({"expectedValues": [static("{.a}", 1)], "failure": [{"checkName": "x"}]})

    assert found == {"with.failure": "unknown option"}


def test_every_mistake_is_told_at_once() -> None:
    found = problems({"expectedValues": [static("{.a", 1), {"path": "{.a}"}], "timeout": "1"})

    assert len(found) == 3


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_of_json_is_refused(number) -> None:
    with pytest.raises(ValidationError):
        a_check(static("{.status.a}", {"deep": [number]}))


# --- comparing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        (0, 0),
        (0, 0.0),
        (3, 3.0),
        (2**53 + 1, 2**53 + 1),
        ("a", "a"),
        (True, True),
        ([1, {"a": 2}], [1.0, {"a": 2}]),
        ({}, {}),
    ],
)
async def test_equal_values_are_a_success(live, wanted) -> None:
    assert await verdict(a_check(static("{.status.a}", wanted)), a_body(a=live)) == Verdict.SUCCESS


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        (1, True),
        (0, False),
        (True, 1),
        ("1", 1),
        (1, "1"),
        (2**53 + 1, float(2**53)),
        ([1], [1, 2]),
        ([True], [1]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ("", 0),
    ],
)
async def test_other_values_are_not_yet(live, wanted) -> None:
    assert (
        await verdict(a_check(static("{.status.a}", wanted)), a_body(a=live)) == Verdict.UNDECIDED
    )


async def test_static_int64_equals_a_live_number() -> None:
    check = a_check({"path": "{.status.a}", "value": {"staticInt64": 3}})

    assert await verdict(check, a_body(a=3.0)) == Verdict.SUCCESS


async def test_two_paths_of_one_object_are_compared() -> None:
    check = a_check({"path": "{.status.a}", "value": {"path": "{.status.b}"}})

    assert (await verdict(check, a_body(a=1, b=1)), await verdict(check, a_body(a=1, b=2))) == (
        Verdict.SUCCESS,
        Verdict.UNDECIDED,
    )


async def test_all_comparisons_hold_at_the_same_time_or_none_counts() -> None:
    check = a_check(static("{.status.a}", 1), static("{.status.b}", 1))
    first = a_check_request(a_body(a=1, b=0))
    await check.evaluate(first)

    later = replace(first, object=live_object(a_body(a=0, b=1)))

    assert (await check.evaluate(later)).verdict == Verdict.UNDECIDED


async def test_the_reason_names_every_comparison_that_does_not_hold() -> None:
    check = a_check(static("{.status.a}", 1, name="first"), static("{.status.b}", 1))

    words = await reason(check, a_body(a=2, b=1))

    assert words == "first: {.status.a} is 2, expected 1"


async def test_the_reason_names_the_path_on_the_other_side() -> None:
    check = a_check({"path": "{.status.a}", "value": {"path": "{.status.b}"}})

    assert await reason(check, a_body(a=1, b=2)) == ("{.status.a} is 1, expected 2 ({.status.b})")


async def test_values_of_a_secret_are_not_in_the_reason() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "n"},
        "data": {"password": "aHVudGVyMg=="},
    }
    check = a_check(static("{.data.password}", "b3RoZXI="))

    assert await reason(check, body) == "{.data.password} is not as expected"


# --- missing and several ------------------------------------------------------------------------


async def test_a_missing_path_is_waited_for_and_named() -> None:
    result = await a_check(static("{.status.a}", 0)).evaluate(a_check_request(a_body()))

    assert (result.verdict, result.reason) == (Verdict.UNDECIDED, "{.status.a} is missing")


async def test_a_missing_path_on_the_right_is_waited_for_and_named() -> None:
    check = a_check({"path": "{.status.a}", "default": 1, "value": {"path": "{.status.b}"}})

    assert await reason(check, a_body()) == "{.status.b} is missing"


async def test_a_missing_path_takes_its_default() -> None:
    check = a_check(static("{.status.a}", 0, default=0))

    assert await verdict(check, a_body()) == Verdict.SUCCESS


@pytest.mark.parametrize(("default", "wanted"), [(False, False), ("", ""), (0, 0.0), ([], [])])
async def test_a_default_may_be_empty(default, wanted) -> None:
    check = a_check(static("{.status.a}", wanted, default=default))

    assert await verdict(check, a_body()) == Verdict.SUCCESS


async def test_a_default_does_not_hide_a_live_value() -> None:
    check = a_check(static("{.status.a}", 0, default=0))

    assert await verdict(check, a_body(a=1)) == Verdict.UNDECIDED


async def test_a_live_null_counts_as_missing() -> None:
    check = a_check(static("{.status.a}", 0, default=0))

    assert await verdict(check, a_body(a=None)) == Verdict.SUCCESS


async def test_a_path_through_something_else_is_missing() -> None:
    check = a_check(static("{.status.a.b[3].c}", 0))

    assert await reason(check, a_body(a="text")) == "{.status.a.b[3].c} is missing"


@pytest.mark.parametrize(
    "comparison",
    [
        static("{.status.items[*]}", 1, default=1),
        {"path": "{.status.a}", "value": {"path": "{.status.items[*]}"}},
    ],
)
async def test_several_results_are_a_failure(comparison) -> None:
    result = await a_check(comparison).evaluate(a_check_request(a_body(a=1, items=[1, 1])))

    assert (result.verdict, result.is_timeout) == (Verdict.FAILURE, False)
    assert SEVERAL in result.reason


async def test_one_result_of_many_is_compared() -> None:
    check = a_check(static('{.status.conditions[?(@.type=="Ready")].status}', "True"))
    conditions = [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}]

    assert await verdict(check, a_body(conditions=conditions)) == Verdict.SUCCESS


# --- generations --------------------------------------------------------------------------------


async def test_a_status_from_before_the_change_does_not_count() -> None:
    check = a_check(static("{.status.a}", 1))

    assert await verdict(check, a_body(a=1, observedGeneration=1)) == Verdict.UNDECIDED


async def test_a_status_of_the_present_generation_counts() -> None:
    check = a_check(static("{.status.a}", 1))

    assert await verdict(check, a_body(a=1, observedGeneration=2)) == Verdict.SUCCESS


# --- time ---------------------------------------------------------------------------------------


async def test_time_out_is_a_failure_that_names_what_was_missing() -> None:
    check = a_check(static("{.status.a}", 1), timeout="10m", progressTimeout=0)

    result = await check.evaluate(a_check_request(a_body(), after=10 * MINUTE))

    assert (result.verdict, result.is_timeout) == (Verdict.FAILURE, True)
    assert result.reason == "not within 600 s: {.status.a} is missing"


async def test_what_holds_in_the_last_moment_has_succeeded() -> None:
    check = a_check(static("{.status.a}", 1), timeout="10m")

    assert await verdict(check, a_body(a=1), after=HOUR) == Verdict.SUCCESS


async def test_an_explicit_timeout_of_zero_is_no_limit() -> None:
    check = a_check(static("{.status.a}", 1), timeout=0, progressTimeout=0)

    assert await verdict(check, a_body(a=0), after=1000 * HOUR) == Verdict.UNDECIDED


async def test_a_missing_timeout_is_an_hour() -> None:
    check = a_check(static("{.status.a}", 1), progressTimeout=0)

    assert await verdict(check, a_body(a=0), after=HOUR) == Verdict.FAILURE


async def test_without_a_start_time_runs_from_the_first_look() -> None:
    check = a_check(static("{.status.a}", 1), timeout="1m")
    first = replace(a_check_request(a_body()), started_at=None)
    await check.evaluate(first)

    result = await check.evaluate(replace(first, now=first.now + MINUTE))

    assert result.is_timeout


async def look(check, request, after, **status):
    later = a_check_request(a_body(**status), after=after)
    return await check.evaluate(replace(later, memory=request.memory))


async def test_nothing_that_moves_is_a_failure() -> None:
    check = a_check(static("{.status.a}", 9))
    request = a_check_request(a_body(a=1))
    await check.evaluate(request)

    result = await look(check, request, 5 * MINUTE, a=1)

    assert (result.verdict, result.is_timeout) == (Verdict.FAILURE, True)
    assert "no compared value changed for 300 s" in result.reason


async def test_a_value_that_moves_gives_new_time() -> None:
    check = a_check(static("{.status.a}", 9))
    request = a_check_request(a_body(a=1))
    await check.evaluate(request)
    await look(check, request, 4 * MINUTE, a=2)

    result = await look(check, request, 8 * MINUTE, a=2)

    assert (result.verdict, result.recheck_after) == (Verdict.UNDECIDED, timedelta(seconds=5))


async def test_a_value_that_moves_at_the_last_look_counts() -> None:
    check = a_check(static("{.status.a}", 9))
    request = a_check_request(a_body(a=1))
    await check.evaluate(request)

    result = await look(check, request, 6 * MINUTE, a=2)

    assert result.verdict == Verdict.UNDECIDED


async def test_a_field_that_is_not_compared_is_no_progress() -> None:
    check = a_check(static("{.status.a}", 9))
    request = a_check_request(a_body(a=1, b=1))
    await check.evaluate(request)

    result = await look(check, request, 5 * MINUTE, a=1, b=2)

    assert result.verdict == Verdict.FAILURE


async def test_the_right_side_that_moves_is_progress() -> None:
    check = a_check({"path": "{.status.a}", "value": {"path": "{.status.b}"}})
    request = a_check_request(a_body(a=1, b=2))
    await check.evaluate(request)

    result = await look(check, request, 5 * MINUTE, a=1, b=3)

    assert result.verdict == Verdict.UNDECIDED


async def test_the_next_look_comes_after_the_poll_interval_or_at_the_end() -> None:
    check = a_check(static("{.status.a}", 9), pollInterval="40s", timeout="1m")
    request = a_check_request(a_body(a=1))

    first = await check.evaluate(request)
    second = await look(check, request, timedelta(seconds=40), a=1)

    assert (first.recheck_after, second.recheck_after) == (
        timedelta(seconds=40),
        timedelta(seconds=20),
    )


async def test_an_object_that_vanished_for_good_runs_out_of_time() -> None:
    check = a_check(static("{.status.a}", 9))
    request = a_check_request(a_body(a=1))
    await check.evaluate(request)

    gone = await check.evaluate(without_object(request))
    late = await check.evaluate(replace(without_object(request), now=request.now + HOUR))

    assert gone.reason == "Thing/b/a is not there any more"
    assert (gone.verdict, late.is_timeout) == (Verdict.UNDECIDED, True)


async def test_an_object_that_is_not_there_yet_is_waited_for_whatever_its_defaults() -> None:
    check = a_check(static("{.status.a}", 0, default=0))

    result = await check.evaluate(without_object(a_check_request(a_body())))

    assert result.verdict == Verdict.UNDECIDED


async def test_the_memory_holds_no_values() -> None:
    check = a_check(static("{.status.a}", 9))
    request = a_check_request(a_body(a="hunter2"))
    await check.evaluate(request)

    assert "hunter2" not in repr(request.memory)
