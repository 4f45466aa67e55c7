"""The check ``expression``, and the process that evaluates it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from rollwright.checks.cel import MAX_LENGTH, problem_of
from rollwright.checks.cel_worker import Answer, Request, Worker
from rollwright.checks.expression import Expression
from rollwright.errors import InvalidSpec
from rollwright.plugins.cel import worker as cel_worker
from rollwright.plugins.contracts import Verdict
from rollwright.plugins.registry import Registry
from rollwright.rollouts.status import Status
from rollwright.testing.check_contract import NOON, a_check_request, without_object

BODY = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "labels": {"example.com/tier": "front"},
        "creationTimestamp": "2026-01-01T11:00:00Z",
    },
    "spec": {"replicas": 3},
    "status": {
        "readyReplicas": 3,
        "ratio": 1.0,
        "text": "x",
        "nothing": None,
        "conditions": [
            {"type": "Available", "status": "True"},
            {"type": "Progressing", "status": "False"},
        ],
    },
}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"phase": "Running"}}

DOUBLING = ".map(a, [a, a, a, a, a, a, a, a])" * 12
ENDLESS = f"[1]{DOUBLING} == [1]{DOUBLING}"
HUGE = f"['xxxxxxxxxxxxxxxx']{'.map(a, a + a + a + a + a + a + a + a)' * 12}.size() == 1"
LOOPS = "object.items.all(a, object.items.all(b, object.items.all(c, true)))"


async def asked(expr, failure=None, *, body=BODY, **more):
    check = Expression(expr=expr, failure=failure)
    return await check.evaluate(a_check_request(body, pods=[POD], **more))


@pytest.mark.parametrize(
    "expr",
    [
        "object.status.readyReplicas >= 1",
        "object.status.readyReplicas == object.spec.replicas",
        "object.status.ratio == 1",
        "object.status.readyReplicas > 2.5",
        "has(object.status.ratio) && !has(object.status.other)",
        "object.status.conditions.exists(c, c.type == 'Available' && c.status == 'True')",
        "object.status.conditions.all(c, c.status in ['True', 'False'])",
        "object.status.conditions.exists_one(c, c.status == 'True')",
        "object.status.conditions.filter(c, c.status == 'True').size() == 1",
        "object.status.conditions.map(c, c.type) == ['Available', 'Progressing']",
        "object.metadata.labels['example.com/tier'].startsWith('fr')",
        "object.metadata.name.matches('^w.b$') && object.metadata.name.contains('e')",
        "object.metadata.name.upperAscii() == 'WEB' || 'a,b'.split(',').size() == 3",
        "object.metadata.name.endsWith('b') ? true : false",
        "now - timestamp(object.metadata.creationTimestamp) == duration('1h')",
        "now.getHours() == 12",
        "status == 'InProgress'",
        "pods.all(p, p.status.phase == 'Running') && size(pods) == 1",
        "object.status.nothing == null",
        "5 / 2 == 2 && -5 % 3 == -2 && 5.0 / 2.0 == 2.5",
        "object.?status.?other.orValue(7) == 7",
        "object.status.other == 1 || true",
        "int(string(7)) == 7 && double('1.5') == 1.5",
    ],
)
async def test_a_true_expression_is_a_success(expr) -> None:
    result = await asked(expr, status=Status.IN_PROGRESS)

    assert result.verdict == Verdict.SUCCESS, result.reason


async def test_a_false_expression_is_undecided() -> None:
    result = await asked("object.spec.replicas > 3")

    assert (result.verdict, result.reason) == (
        Verdict.UNDECIDED,
        "object.spec.replicas > 3 is false",
    )


async def test_a_missing_field_is_undecided_and_named() -> None:
    result = await asked("object.status.other == 1")

    assert (result.verdict, result.reason) == (
        Verdict.UNDECIDED,
        'object.status.other == 1 has no value yet: there is no field "other"',
    )


@pytest.mark.parametrize(
    "expr",
    [
        "object.status.conditions[9].type == 'x'",
        "1 / (object.spec.replicas - 3) == 1",
        "9223372036854775807 + object.spec.replicas > 0",
        "object.status.text > 1",
        "int(object.status.text) == 1",
        "timestamp(object.status.text) < now",
        "object.status.nothing",
    ],
)
async def test_what_has_no_value_is_undecided(expr) -> None:
    assert (await asked(expr)).verdict == Verdict.UNDECIDED


async def test_a_value_that_is_neither_true_nor_false_is_a_failure() -> None:
    result = await asked("object.status.text")

    assert (result.verdict, result.reason) == (
        Verdict.FAILURE,
        "object.status.text is STRING, neither true nor false",
    )


async def test_a_failure_that_is_true_counts_first() -> None:
    result = await asked("true", "object.spec.replicas == 3")

    assert (result.verdict, result.reason) == (
        Verdict.FAILURE,
        "object.spec.replicas == 3 is true",
    )


@pytest.mark.parametrize("failure", ["object.spec.replicas == 4", "object.status.other == 1"])
async def test_a_failure_that_is_not_true_does_not_count(failure) -> None:
    assert (await asked("true", failure)).verdict == Verdict.SUCCESS


async def test_runs_out_of_its_own_time() -> None:
    check = Expression(expr="false", timeout=timedelta(minutes=1))

    result = await check.evaluate(a_check_request(BODY, after=timedelta(minutes=1)))

    assert (result.verdict, result.is_timeout) == (Verdict.FAILURE, True)


async def test_an_object_that_vanishes_is_waited_for() -> None:
    check, request = Expression(expr="false"), a_check_request(BODY)
    await check.evaluate(request)

    result = await check.evaluate(without_object(request))

    assert (result.verdict, "not there any more" in result.reason) == (Verdict.UNDECIDED, True)


async def test_a_number_beyond_64_bits_spoils_nothing() -> None:
    body = {**BODY, "status": {"big": float(2**70), "one": 1}}

    assert (await asked("object.status.one == 1", body=body)).verdict == Verdict.SUCCESS


async def test_values_of_a_secret_are_not_in_the_reason() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "n"},
        "data": {"key": "aHVudGVyMg=="},
    }

    result = await asked("duration(object.data.key) > duration('1s')", body=body)

    assert (result.verdict, "aHVudGVyMg" in result.reason) == (Verdict.UNDECIDED, False)


# --- what the document is told ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        ("object.status.a >", "column 18: mismatched input the end"),
        ("objekt.a == 1", "column 7: undeclared reference to 'objekt.a'"),
        ("object.a == 1 &&\n  nope(1)", "line 2, column 7: undeclared reference to 'nope'"),
        ("size(pods)", "expected true or false; it is of type INT"),
        ("1 + 'a' == 2", "column 3: found no matching overload for '_+_'"),
        ("(" * 100 + "true" + ")" * 100, "it is nested too deeply"),
        ("true" + " || true" * MAX_LENGTH, f"at most {MAX_LENGTH} characters"),
    ],
)
def test_a_mistake_is_told_with_its_place(expr, problem) -> None:
    with pytest.raises(InvalidSpec) as caught:
        Registry().build("checks", "expression", {"expr": expr})

    (found,) = caught.value.problems
    assert (found.path, found.message[: len(problem)]) == ("with.expr", problem)


def test_mistakes_of_both_expressions_are_told() -> None:
    with pytest.raises(InvalidSpec) as caught:
        Registry().build("checks", "expression", {"expr": "a", "failure": "b"})

    assert [one.path for one in caught.value.problems] == ["with.expr", "with.failure"]


@pytest.mark.parametrize("hostile", [ENDLESS, HUGE, LOOPS])
def test_a_hostile_expression_is_compiled_without_harm(hostile) -> None:
    assert problem_of(hostile) == ""


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hostile", "limit"),
    [
        (ENDLESS, "2 s of processor time"),
        (HUGE, "1024 MiB of memory"),
        (LOOPS, "too many steps"),
    ],
)
async def test_a_hostile_expression_is_a_failure_and_the_next_one_works(hostile, limit) -> None:
    body = {**BODY, "items": list(range(200))}

    result = await asked(hostile, body=body)
    after = await asked("true")

    assert (result.verdict, after.verdict) == (Verdict.FAILURE, Verdict.SUCCESS)
    assert limit in result.reason


async def test_too_much_input_is_a_failure(monkeypatch) -> None:
    monkeypatch.setattr(cel_worker, "MAX_BYTES", 1000)

    result = await asked("true", body={**BODY, "data": "x" * 1000})

    assert result.verdict == Verdict.FAILURE


@pytest.fixture
def worker():
    made = Worker()
    yield made
    made.close()


def a_request(*expressions, body=b"{}"):
    return Request(expressions, body, b"[]", "Current", NOON.isoformat())


async def test_an_object_nested_without_end_is_refused(worker) -> None:
    (answer,) = await worker.ask(a_request("true", body=b"[" * 200_000 + b"]" * 200_000))

    assert answer.limit == "an object of a reasonable size"


async def test_a_child_that_was_killed_is_replaced(worker) -> None:
    await worker.ask(a_request("true"))
    worker._process.kill()
    worker._process.wait()

    assert await worker.ask(a_request("true")) == (Answer(value=True),)


async def test_a_child_that_dies_while_it_is_asked_leaves_it_undecided(worker) -> None:
    await worker.ask(a_request("true"))
    worker._process.send_signal(signal.SIGSTOP)
    asking = asyncio.create_task(worker.ask(a_request("true")))
    await asyncio.sleep(0)
    worker._process.kill()

    (answer,) = await asking

    assert answer.value in (None, True)
    assert await worker.ask(a_request("1 == 2")) == (Answer(value=False),)


async def test_requests_at_the_same_time_get_their_own_answers(worker) -> None:
    answers = await asyncio.gather(
        *(worker.ask(a_request(f"{n} % 2 == 0", "true")) for n in range(20))
    )

    assert [first.value for first, _ in answers] == [n % 2 == 0 for n in range(20)]


async def test_the_child_ends_with_its_worker(worker) -> None:
    await worker.ask(a_request("true"))
    process = worker._process

    worker.close()

    assert process.returncode == 0


def test_reading_the_options_of_other_checks_loads_no_cel() -> None:
    program = (
        "import sys, rollwright.checks.condition, rollwright.checks.expression;"
        "print([name for name in sys.modules if name.startswith('cel_expr')])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert done.stdout.strip() == b"[]"
