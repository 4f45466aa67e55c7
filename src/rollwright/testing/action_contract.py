"""What every action must do: a suite to subclass, for our own actions and for others'.

A plugin's author gives the fixtures and inherits the tests::

    class TestSmoke(ActionContract):
        @pytest.fixture
        def action(self):
            return Smoke(url="http://127.0.0.1:8080/")

``action`` works with ``action_request``: an empty ``FakeCluster`` and a step without objects, or
what the subclass makes with ``a_request``. ``effects`` counts what the action has done to the world; ``is_repeatable``
says whether carrying it out twice does it twice.
"""

# ruff: noqa: D102  (the name of a test says what it shows)

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from rollwright.plugins.contracts import Action, ActionRequest
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import Outcome, StepResult
from rollwright.testing.fake import FakeCluster
from rollwright.testing.renderer_contract import OptionsContract

_FAILURES = {Outcome.FAILED, Outcome.TIMED_OUT}
_TURNS = 50


def a_request(cluster: FakeCluster, **fields: Any) -> ActionRequest:
    """Return a request of a step without objects; ``fields`` over what every request has."""
    step = Step(name="step", action="Action", changes=())
    return ActionRequest(
        **{"step": step, "cluster": cluster, "rollout": "shop", "run_id": "0123456789ab", **fields}
    )


class ActionContract(OptionsContract):
    """Give ``action``, ``failing``, ``hanging`` and, where it acts on the world, ``effects``."""

    is_repeatable = False
    """Whether carrying it out twice does it twice: then a resumed run may do so, and it says so."""

    writes = True
    """Whether it does anything to the world; one that only waits or looks does not."""

    @pytest.fixture
    def cluster(self) -> FakeCluster:
        """Return the cluster that the action acts on."""
        return FakeCluster()

    @pytest.fixture
    def action(self) -> Action:
        """Return an action that succeeds with ``action_request``."""
        raise NotImplementedError

    @pytest.fixture
    def failing(self) -> Action:
        """Return an action that fails with ``action_request``, as one may have to expect."""
        raise NotImplementedError

    @pytest.fixture
    def hanging(self) -> Action:
        """Return an action that waits for long with ``hanging_request``."""
        raise NotImplementedError

    @pytest.fixture
    def action_request(self, cluster: FakeCluster) -> ActionRequest:
        """Return what the action is asked."""
        return a_request(cluster)

    @pytest.fixture
    def hanging_request(self, action_request: ActionRequest) -> ActionRequest:
        """Return what the hanging action is asked."""
        return action_request

    @pytest.fixture
    def effects(self, cluster: FakeCluster) -> Callable[[], int]:
        """Return what counts the things done to the world; here, writes to the cluster."""
        kinds = ("apply", "create", "replace", "patch", "delete")
        return lambda: sum(len(cluster.sent(kind)) for kind in kinds)

    @pytest.fixture
    def plugin(self, action: Any) -> BaseModel:
        """Return the action as a model."""
        assert isinstance(action, BaseModel)
        return action

    def test_is_an_action(self, action: Action) -> None:
        assert isinstance(action, Action)

    def test_says_in_the_plan_what_it_will_do(self, action: Any) -> None:
        words = str(action)

        assert words != BaseModel.__str__(action)
        assert words.strip()
        assert "\n" not in words

    async def test_names_the_step_and_when_it_was(
        self, action: Action, action_request: ActionRequest
    ) -> None:
        result = await action.run(action_request)

        assert isinstance(result, StepResult)
        assert (result.step, result.outcome) == (action_request.step.name, Outcome.SUCCEEDED)
        assert result.started_at is not None
        assert result.ended_at is not None
        assert result.started_at <= result.ended_at

    async def test_an_expected_failure_is_a_value_with_a_sentence(
        self, failing: Action, action_request: ActionRequest
    ) -> None:
        result = await failing.run(action_request)

        assert result.outcome in _FAILURES
        assert result.message.strip()
        assert result.step == action_request.step.name

    async def test_carried_out_again_it_does_no_more(
        self, action: Action, action_request: ActionRequest, effects: Callable[[], int]
    ) -> None:
        await action.run(action_request)
        once = effects()
        again = await action.run(action_request)

        assert again.outcome is Outcome.SUCCEEDED
        assert effects() == (2 * once if self.is_repeatable else once)

    async def test_a_run_that_stops_writes_nothing(
        self, action: Action, action_request: ActionRequest, effects: Callable[[], int]
    ) -> None:
        result = await action.run(replace(action_request, must_stop=lambda: True))

        assert effects() == 0
        assert result.outcome is Outcome.CANCELLED or not self.writes

    async def test_cancelled_it_leaves_nothing_running(
        self, hanging: Action, hanging_request: ActionRequest
    ) -> None:
        before = asyncio.all_tasks()
        running = asyncio.ensure_future(hanging.run(hanging_request))
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])
        for _ in range(_TURNS):
            await asyncio.sleep(0)

        assert running.cancelled()
        assert asyncio.all_tasks() <= before
