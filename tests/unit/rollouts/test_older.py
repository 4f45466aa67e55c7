"""Rollouts of the older format: both forms, every field, every refusal."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from rollwright.errors import InvalidSpec
from rollwright.rollouts.spec import (
    Use,
    dump,
    find_missing,
    is_older,
    parse,
    read_older,
    with_older,
)
from rollwright.rollouts.spec.older import ACTIONS, Known
from rollwright.rollouts.spec.older_model import parse_go_duration

COMPARISON = {"name": "seen", "path": "{.a}", "value": {"path": "{.b}"}}
COMPARED = "spec.groups[0].steps[0].success[0].fieldComparisons"
REPORT = {"database": {"name": "jobs", "query": {"stmt": "INSERT"}}}


def a_step(**fields: Any) -> dict[str, Any]:
    return {"object": "web.yaml", "action": "CreateOrUpdate", **fields}


def a_document(*steps: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "workflow.kubernetes.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "shop"},
        "spec": {"groups": [{"name": "web", "steps": list(steps or [a_step()])}], **spec},
    }


def a_success(comparisons: Any, **fields: Any) -> dict[str, Any]:
    return a_document(a_step(success=[{"fieldComparisons": comparisons, **fields}]))


def step_of(document: Any):
    return read_older(document).groups[0].steps[0]


def problems_of(document: Any) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        read_older(document, name="r")
    return [f"{one.path}: {one.message}" for one in caught.value.problems]


def a_spec(**spec: Any):
    return parse(
        {
            "apiVersion": "rollwright.dev/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "shop"},
            "spec": {"source": {"path": "."}, **spec},
        }
    )


def test_the_smallest_document_is_one_step():
    document = a_document()
    del document["spec"]["groups"][0]["name"]
    older = read_older(document)

    assert (older.name, older.parallel) == ("shop", False)
    assert [(group.name, group.parallel) for group in older.groups] == [("group-1", False)]
    assert older.groups[0].steps[0].action == Use(name="CreateOrUpdate")


def test_a_step_without_checks_does_not_wait():
    assert step_of(a_document()).wait is False


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("CreateOrUpdate", Use(name="CreateOrUpdate")),
        ("CreateIfNotExist", Use(name="CreateIfNotExist")),
        ("DeleteIfExist", Use(name="DeleteIfExist", options={"wait": False})),
        ("DeleteIfExists", Use(name="DeleteIfExist", options={"wait": False})),
        ("replace", Use(name="Replace")),
    ],
)
def test_actions_have_their_old_names(written, meant):
    assert step_of(a_document(a_step(action=written))).action == meant


def test_an_unknown_action_is_refused_by_name():
    known = ", ".join(sorted(ACTIONS))

    assert problems_of(a_document(a_step(action="apply"))) == [
        f'spec.groups[0].steps[0].action: unknown action "apply": available actions are [{known}]'
    ]


def test_actions_of_a_site_may_be_named():
    known = Known(actions={"Smoke"})
    older = read_older(a_document(a_step(action="Smoke")), known=known)

    assert older.groups[0].steps[0].action == Use(name="Smoke")


def test_both_forms_of_comparisons_are_read_alike():
    as_list, as_object = a_success([COMPARISON]), a_success({"expectedValues": [COMPARISON]})

    assert step_of(as_list) == step_of(as_object)
    assert step_of(as_list).success == (
        Use(name="fieldComparisons", options={"expectedValues": [COMPARISON]}),
    )


def test_several_checks_stand_in_their_order():
    success = [{"fieldComparisons": [{**COMPARISON, "name": name}]} for name in "ab"]
    step = step_of(a_document(a_step(success=success)))

    assert [use.options["expectedValues"][0]["name"] for use in step.success] == ["a", "b"]


def test_a_comparison_without_a_name_goes_by_its_path():
    bare = {"path": "{.a}", "value": {"static": "x"}}

    [use] = step_of(a_success([bare])).success
    assert use.options["expectedValues"] == [{"name": "{.a}", **bare}]


@pytest.mark.parametrize("value", [{"static": 0}, {"staticInt64": 0}, {"staticInt64": 0.0}])
def test_a_default_of_zero_and_a_number_are_kept(value):
    [use] = step_of(a_success([{**COMPARISON, "default": 0, "value": value}])).success
    [comparison] = use.options["expectedValues"]

    assert (comparison["default"], comparison["value"]) == (0, {"static": 0})


def test_null_and_an_empty_path_are_no_side():
    value = {"path": "", "static": False, "staticInt64": None}

    [use] = step_of(a_success([{**COMPARISON, "value": value}])).success
    assert use.options["expectedValues"][0]["value"] == {"static": False}


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ({"path": "{.a}", "static": 1}, "path, static"),
        ({"static": 1, "staticInt64": 1}, "static, staticInt64"),
        ({}, "none"),
    ],
)
def test_a_comparison_has_one_right_side(value, got):
    assert problems_of(a_success([{**COMPARISON, "value": value}])) == [
        f"{COMPARED}[0].value: expected one of path, static, staticInt64; got {got}"
    ]


@pytest.mark.parametrize("comparisons", [[], {}, {"expectedValues": []}, {"timeout": "5m"}])
def test_comparisons_that_compare_nothing_are_refused(comparisons):
    assert problems_of(a_success(comparisons)) == [
        f"{COMPARED}: compares nothing; expected a list of comparisons"
    ]


def test_times_are_texts_or_nanoseconds():
    times = {"timeout": "1h0m0s", "progressTimeout": 300_000_000_000, "pollInterval": "1.5s"}

    [use] = step_of(a_success({"expectedValues": [COMPARISON], **times})).success
    assert {key: use.options[key] for key in times} == {
        "timeout": "1h",
        "progressTimeout": "5m",
        "pollInterval": "1s500ms",
    }


def test_no_limit_is_told_from_none_given():
    [use] = step_of(a_success({"expectedValues": [COMPARISON], "timeout": 0})).success

    assert use.options["timeout"] == "0s"
    assert "progressTimeout" not in use.options


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("pollInterval", 0, "must be more than 0"),
        ("pollInterval", "0s", "must be more than 0"),
        ("timeout", -1, "a duration is not negative; got -1"),
        ("timeout", "-5s", "a duration is not negative; got '-5s'"),
        (
            "timeout",
            "5",
            "expected a duration such as '90s' or '1h30m', or whole nanoseconds; got '5'",
        ),
        (
            "timeout",
            True,
            "expected a duration such as '90s' or '1h30m', or whole nanoseconds; got true",
        ),
    ],
)
def test_times_that_make_no_sense_are_refused(field, value, why):
    document = a_success({"expectedValues": [COMPARISON], field: value})

    assert problems_of(document) == [f"{COMPARED}.{field}: {why}"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1h15m30.918s", timedelta(hours=1, minutes=15, seconds=30.918)),
        ("300ms", timedelta(milliseconds=300)),
        ("10µs", timedelta(microseconds=10)),
        ("10us", timedelta(microseconds=10)),
        ("+5s", timedelta(seconds=5)),
        (".5m", timedelta(seconds=30)),
        ("1m1h", timedelta(minutes=61)),
        ("0", timedelta(0)),
        ("1ns", timedelta(microseconds=1)),
        (1, timedelta(microseconds=1)),
    ],
)
def test_durations_are_read_as_go_does(text, meant):
    assert parse_go_duration(text) == meant


def test_failure_checks_end_the_step():
    step = step_of(a_success([COMPARISON], failure=[{"checkName": "JobOOMKilled"}]))

    assert step.failure == (Use(name="JobOOMKilled"),)


def test_failure_checks_inside_of_comparisons_count_too():
    checks = [{"checkName": "JobOOMKilled"}]
    document = a_success({"expectedValues": [COMPARISON], "failure": checks}, failure=checks)

    assert step_of(document).failure == (Use(name="JobOOMKilled"),)


def test_a_report_stands_with_its_check():
    failure = [{"checkName": "JobOOMKilled", "report": REPORT}]

    [use] = step_of(a_success([COMPARISON], failure=failure)).failure
    assert use.options == {"report": REPORT}


@pytest.mark.parametrize(
    "report", [REPORT, {"database": {"name": "jobs"}, "query": {"stmt": "INSERT"}}]
)
def test_a_statement_stands_in_its_database_or_beside_it(report):
    comparisons = {"expectedValues": [COMPARISON], "reportTimeout": report}

    [use] = step_of(a_success(comparisons)).success
    assert use.options["reportTimeout"] == REPORT


def test_a_report_needs_one_statement():
    comparisons = {"expectedValues": [COMPARISON], "reportTimeout": {"database": {"name": "a"}}}

    assert problems_of(a_success(comparisons)) == [
        f"{COMPARED}.reportTimeout: expected one statement, database.query.stmt"
    ]


@pytest.mark.parametrize("is_inside", [False, True])
def test_an_unknown_check_is_refused_by_name(is_inside):
    failure = {"failure": [{"checkName": "OOM"}]}
    comparisons = {"expectedValues": [COMPARISON], **(failure if is_inside else {})}
    [problem] = problems_of(a_success(comparisons, **({} if is_inside else failure)))

    inner = "fieldComparisons." if is_inside else ""
    assert problem.startswith(
        f"spec.groups[0].steps[0].success[0].{inner}failure[0].checkName: "
        'unknown failure check "OOM": available'
    )


def test_flags_are_kept():
    document = a_document(a_step(name="first", continueOnError=True), parallel=True)
    document["spec"]["groups"][0]["parallel"] = True
    older = read_older(document)
    [group] = older.groups

    assert (older.parallel, group.parallel, group.steps[0].continue_on_error) == (True, True, True)
    assert group.steps[0].name == "first"


@pytest.mark.parametrize(("said", "meant"), [({}, True), ({"parallel": False}, False)])
def test_a_site_may_run_the_steps_of_a_group_together(said, meant):
    document = a_document()
    document["spec"]["groups"][0].update(said)

    assert read_older(document, known=Known(parallel_steps=True)).groups[0].parallel is meant


def test_names_that_stand_twice_are_numbered():
    document = a_document(a_step(action="DeleteIfExist"), a_step())
    document["spec"]["groups"].append(deepcopy(document["spec"]["groups"][0]))
    older = read_older(document)

    assert [group.name for group in older.groups] == ["web", "web#2"]
    assert [step.name for step in older.groups[0].steps] == ["web.yaml", "web.yaml#2"]


def test_a_group_without_steps_does_nothing():
    document = a_document()
    document["spec"]["groups"].insert(0, {"name": "none"})

    assert [group.name for group in read_older(document).groups] == ["web"]


@pytest.mark.parametrize("groups", [[], [{"name": "a"}], None])
def test_a_rollout_of_nothing_is_refused(groups):
    assert problems_of(a_document(groups=groups)) == [
        "spec.groups: no group has a step, so nothing would be done"
    ]


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (lambda one: one, "sepc"),
        (lambda one: one["spec"], "spec.sepc"),
        (lambda one: one["spec"]["groups"][0], "spec.groups[0].sepc"),
        (lambda one: one["spec"]["groups"][0]["steps"][0], "spec.groups[0].steps[0].sepc"),
    ],
)
def test_an_unknown_field_is_refused_by_name(place, path):
    document = a_document()
    place(document)["sepc"] = 1
    [problem] = problems_of(document)

    assert problem.startswith(f"{path}: unknown field")


def test_every_problem_is_told_at_once():
    document = a_document(a_step(action="a"), a_step(success=[{}]), {"object": "x"})

    assert [problem.partition(": ")[0] for problem in problems_of(document)] == [
        "spec.groups[0].steps[0].action",
        "spec.groups[0].steps[1].success[0].fieldComparisons",
        "spec.groups[0].steps[2].action",
    ]


@pytest.mark.parametrize("document", [None, [], "x", {"kind": "Rollout"}])
def test_what_is_no_document_is_refused(document):
    assert problems_of(document)


def test_other_versions_of_the_format_are_refused():
    document = {**a_document(), "apiVersion": "workflow.kubernetes.io/v2"}

    assert is_older(document)
    assert problems_of(document)[0].startswith("apiVersion: expected 'workflow.kubernetes.io/v1al")


def test_steps_of_unknown_objects_are_found():
    groups = read_older(a_document(a_step(), a_step(object="api.yaml"))).groups
    [problem] = find_missing(groups, {"web.yaml"}, "r.yaml")

    assert str(problem) == (
        'r.yaml spec.groups[0].steps[1].object: could not find object named "api.yaml"'
    )


def test_a_spec_takes_the_groups_and_leaves_the_rest_alone():
    spec = with_older(a_spec(), read_older(a_document(parallel=True)))

    assert (spec.declared_groups[0].name, spec.groups_parallel, spec.rest) == (
        "web",
        True,
        "ignore",
    )


def test_a_spec_with_such_groups_can_be_kept():
    failure = [{"checkName": "JobOOMKilled", "report": REPORT}]
    document = a_success({"expectedValues": [COMPARISON], "timeout": "5m"}, failure=failure)
    spec = with_older(a_spec(), read_older(document))

    assert parse(dump(spec)) == spec
    assert parse(dump(spec, keep_defaults=True)) == spec
