"""What every feedback sink must do: a suite to subclass, for our own sinks and for others'.

A plugin's author gives the fixtures and inherits the tests::

    class TestPager(FeedbackContract):
        @pytest.fixture
        def sink(self, server):
            return Pager(url=server.url)

``told`` counts what has arrived at the other side.
"""

# ruff: noqa: D102  (the name of a test says what it shows)

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from rollwright.errors import RolloutError
from rollwright.plugins.contracts import FeedbackBinder, FeedbackContext, FeedbackSink
from rollwright.rollouts.describe.feedback import with_form
from rollwright.rollouts.feedback import Event, Feedback, Reason, Severity, TouchedObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.testing.fake import FakeCluster
from rollwright.testing.renderer_contract import OptionsContract

NOW = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
COMMIT = "4f3c0000000000000000000000000000000000ab"
_TURNS = 50


def a_feedback(**facts: Any) -> Feedback:
    """Return what is told of a run that failed; ``facts`` over what every such event has."""
    told = Feedback(
        title="shop: failed",
        outcome="failed",
        markdown="**shop: failed**",
        event=Event.FAILED,
        severity=Severity.ERROR,
        reason=Reason.APPLY_FAILED,
        message="Deployment/shop/web: image is not there; 1 failed",
        rollout="shop",
        cluster="prod",
        revision=f"main@sha1:{COMMIT}",
        repository="https://github.com/team/shop.git",
        run_id="0123456789ab",
        at=NOW,
        url="https://prefect.example/runs/1",
        counts={"failed": 1},
        objects=(
            TouchedObject(
                ref=ObjectRef("apps", "Deployment", "shop", "web"),
                operation="update",
                outcome="failed",
            ),
        ),
    )
    return with_form(replace(told, **facts))


class FeedbackContract(OptionsContract):
    """Give ``options``, ``failing``, ``hanging`` and ``told``."""

    @pytest.fixture
    def options(self) -> Any:
        """Return the plugin: a sink that is heard, or what binds one."""
        raise NotImplementedError

    @pytest.fixture
    def failing(self) -> Any:
        """Return one whose other side does not take anything now, but may later."""
        raise NotImplementedError

    @pytest.fixture
    def hanging(self) -> Any:
        """Return one whose other side does not answer."""
        raise NotImplementedError

    @pytest.fixture
    def told(self) -> Callable[[], int]:
        """Return what counts the events that arrived."""
        raise NotImplementedError

    @pytest.fixture
    def cluster(self) -> FakeCluster:
        """Return the target of the rollout that is told about."""
        return FakeCluster()

    @pytest.fixture
    def bind(self, cluster: FakeCluster) -> Callable[[Any], FeedbackSink]:
        """Return what makes a sink of a plugin."""

        async def connect() -> FakeCluster:
            return cluster

        context = FeedbackContext(cluster=connect, namespace="rollwright")

        def bound(plugin: Any) -> FeedbackSink:
            if isinstance(plugin, FeedbackSink):
                return plugin
            assert isinstance(plugin, FeedbackBinder)
            return plugin.bind(context)

        return bound

    @pytest.fixture
    def plugin(self, options: Any) -> BaseModel:
        """Return the sink as a model."""
        assert isinstance(options, BaseModel)
        return options

    def test_is_a_sink_or_binds_one(self, options: Any, bind: Callable[[Any], Any]) -> None:
        assert isinstance(bind(options), FeedbackSink)

    def test_what_it_tells_by_itself_are_events(
        self, options: Any, bind: Callable[[Any], Any]
    ) -> None:
        usual: frozenset[Event] = getattr(bind(options), "usual_events", frozenset())

        assert all(isinstance(one, Event) for one in usual)

    async def test_tells(
        self, options: Any, bind: Callable[[Any], FeedbackSink], told: Callable[[], int]
    ) -> None:
        assert await bind(options).tell(a_feedback()) is None  # type: ignore[func-returns-value]  # others may return something
        assert told() == 1

    async def test_tells_what_has_no_more_than_a_title(
        self, options: Any, bind: Callable[[Any], FeedbackSink]
    ) -> None:
        await bind(options).tell(with_form(Feedback(title="a test", outcome="test")))

    async def test_two_at_once_are_both_told(
        self, options: Any, bind: Callable[[Any], FeedbackSink], told: Callable[[], int]
    ) -> None:
        sink = bind(options)
        events = (a_feedback(), a_feedback(rollout="other", title="other: failed"))
        await asyncio.gather(*(sink.tell(one) for one in events))

        assert told() == 2

    async def test_what_may_pass_is_said_to_be_retryable(
        self, failing: Any, bind: Callable[[Any], FeedbackSink]
    ) -> None:
        with pytest.raises(RolloutError) as refused:
            await bind(failing).tell(a_feedback())

        assert refused.value.retryable
        assert refused.value.message.strip()

    async def test_cancelled_it_leaves_nothing_running(
        self, hanging: Any, bind: Callable[[Any], FeedbackSink]
    ) -> None:
        before = asyncio.all_tasks()
        telling = asyncio.ensure_future(bind(hanging).tell(a_feedback()))
        for _ in range(_TURNS):
            await asyncio.sleep(0.001)
        assert not telling.done()
        telling.cancel()
        await asyncio.wait([telling])
        for _ in range(_TURNS):
            await asyncio.sleep(0)

        assert telling.cancelled()
        assert asyncio.all_tasks() <= before
