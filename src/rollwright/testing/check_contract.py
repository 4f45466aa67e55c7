"""What every check must do: a suite to subclass.

Give ``check`` and the three requests it is asked; a check that never fails leaves ``failing``
out::

    class TestMyCheck(CheckContract):
        @pytest.fixture
        def check(self):
            return MyCheck(threshold=2)

        @pytest.fixture
        def succeeding(self):
            return a_check_request(body)

The tests are coroutines: pytest-asyncio runs them (``asyncio_mode = "auto"``).
"""

# ruff: noqa: D102  (the name of a test says what it shows)

from __future__ import annotations

import time
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from rollwright.plugins.contracts import Check, CheckRequest, Verdict
from rollwright.rollouts.health import compute
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import Body, ref_of
from rollwright.rollouts.status import ObjectStatus, Status
from rollwright.testing.renderer_contract import OptionsContract

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When the steps of these requests began to wait."""

MAX_RATIO = 100
"""A look may take so many times what reading the object's JSON takes."""


def a_check_request(
    body: Body,
    *,
    pods: Iterable[Body] = (),
    after: timedelta = timedelta(0),
    status: Status | None = None,
) -> CheckRequest:
    """Make a request about an object, as the engine would.

    Args:
        body: The live object.
        pods: The pods that belong to it.
        after: Time since the step began.
        status: The verdict; by default the one that its status deserves.
    """
    verdict = compute(body) if status is None else ObjectStatus(ref=ref_of(body), status=status)
    return CheckRequest(
        object=live_object(body),
        status=verdict,
        now=NOON + after,
        started_at=NOON,
        pods=tuple(pods),
    )


def without_object(request: CheckRequest) -> CheckRequest:
    """Return the same request after the object has gone; the memory stays."""
    gone = ObjectStatus(
        ref=request.status.ref, status=Status.NOT_FOUND, reason="NotFound", message="not there"
    )
    return replace(request, object=None, status=gone, pods=())


def _fresh(request: CheckRequest) -> CheckRequest:
    return replace(request, memory=deepcopy(dict(request.memory)))


class CheckContract(OptionsContract):
    """Give ``check``, ``succeeding``, ``failing`` and ``undecided``."""

    @pytest.fixture
    def check(self) -> Check:
        """Return the check."""
        raise NotImplementedError

    @pytest.fixture
    def succeeding(self) -> CheckRequest:
        """Return a request that the check passes."""
        raise NotImplementedError

    @pytest.fixture
    def failing(self) -> CheckRequest:
        """Return a request that the check fails; its memory may hold former looks."""
        pytest.skip("this check never fails")

    @pytest.fixture
    def undecided(self) -> CheckRequest:
        """Return a request that the check cannot decide yet."""
        raise NotImplementedError

    @pytest.fixture
    def plugin(self, check: Any) -> BaseModel:
        """Return the check as a model."""
        assert isinstance(check, BaseModel)
        return check

    def test_is_a_check(self, check: Check) -> None:
        assert isinstance(check, Check)

    def test_says_in_one_line_what_it_checks(self, check: Check) -> None:
        assert len(str(check).splitlines()) == 1

    async def test_success(self, check: Check, succeeding: CheckRequest) -> None:
        result = await check.evaluate(succeeding)

        assert result.verdict is Verdict.SUCCESS, result.reason

    async def test_failure_says_why(self, check: Check, failing: CheckRequest) -> None:
        result = await check.evaluate(failing)

        assert (result.verdict, bool(result.reason)) == (Verdict.FAILURE, True)

    async def test_undecided_says_what_it_waits_for(
        self, check: Check, undecided: CheckRequest
    ) -> None:
        result = await check.evaluate(undecided)

        assert (result.verdict, bool(result.reason)) == (Verdict.UNDECIDED, True)

    async def test_asks_for_the_next_look_in_the_future(
        self, check: Check, undecided: CheckRequest
    ) -> None:
        result = await check.evaluate(undecided)

        assert result.recheck_after is None or result.recheck_after > timedelta(0)

    async def test_an_absent_object_decides_nothing(
        self, check: Check, succeeding: CheckRequest
    ) -> None:
        result = await check.evaluate(without_object(succeeding))

        assert (result.verdict, bool(result.reason)) == (Verdict.UNDECIDED, True)

    async def test_an_object_that_vanishes_decides_nothing(
        self, check: Check, undecided: CheckRequest
    ) -> None:
        await check.evaluate(undecided)

        result = await check.evaluate(without_object(undecided))

        assert result.verdict is Verdict.UNDECIDED

    async def test_an_object_that_comes_back_is_judged_again(
        self, check: Check, undecided: CheckRequest, succeeding: CheckRequest
    ) -> None:
        memory = undecided.memory
        await check.evaluate(undecided)
        await check.evaluate(without_object(undecided))

        result = await check.evaluate(replace(succeeding, memory=memory))

        assert result.verdict is Verdict.SUCCESS

    async def test_a_bare_object_breaks_nothing(
        self, check: Check, undecided: CheckRequest
    ) -> None:
        live = undecided.object
        assert live is not None
        name = {key: live.metadata[key] for key in ("name", "namespace") if key in live.metadata}
        bare = {"apiVersion": live.api_version, "kind": live.ref.kind, "metadata": name}

        result = await check.evaluate(replace(undecided, object=live_object(bare), pods=()))

        assert result.verdict in Verdict

    async def test_the_same_question_has_the_same_answer(
        self, check: Check, undecided: CheckRequest
    ) -> None:
        first, again = _fresh(undecided), _fresh(undecided)

        assert await check.evaluate(first) == await check.evaluate(again)

    async def test_remembers_nothing_outside_the_memory(
        self, check: Check, undecided: CheckRequest, succeeding: CheckRequest
    ) -> None:
        before = _fresh(undecided)
        expected = await check.evaluate(_fresh(undecided))
        for request in (undecided, succeeding, without_object(undecided), undecided):
            await check.evaluate(request)

        assert await check.evaluate(before) == expected

    async def test_leaves_what_it_is_shown_as_it_is(
        self, check: Check, undecided: CheckRequest
    ) -> None:
        live = undecided.object
        assert live is not None
        before = deepcopy((live.body, undecided.pods))

        await check.evaluate(undecided)

        assert (live.body, undecided.pods) == before

    async def test_a_large_object_takes_little_more_than_reading_it(
        self, check: Check, undecided: CheckRequest
    ) -> None:
        live = undecided.object
        assert live is not None
        notes = {f"example.com/note-{number}": "x" * 80 for number in range(10_000)}
        body = {**live.body, "metadata": {**live.metadata, "annotations": notes}}
        large = replace(undecided, object=live_object(body))
        await check.evaluate(_fresh(large))

        looks = [await _cost_of(check, _fresh(large)) for _ in range(3)]

        assert min(looks) < MAX_RATIO * min(_cost_of_reading(body) for _ in range(3))


async def _cost_of(check: Check, request: CheckRequest) -> float:
    began = time.perf_counter()
    await check.evaluate(request)
    return time.perf_counter() - began


def _cost_of_reading(body: Body) -> float:
    text = orjson.dumps(body)
    began = time.perf_counter()
    orjson.loads(text)
    return time.perf_counter() - began
