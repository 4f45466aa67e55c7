"""Webhooks that keep the server from answering a dry run (AP-65, AP-66)."""

from __future__ import annotations

import pytest

from rollwright.engine.reading.admission import PAUSE_SECONDS, dry_run, unasked_webhook
from rollwright.engine.reading.forecast import forecast
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import ApplyRequest
from rollwright.rollouts.change import Prediction
from rollwright.rollouts.manifest import Manifest, Origin, ref_of

UNABLE = ClusterError(
    'a: dry-run refused: admission webhook "hook.example.com" does not support dry run',
    status=400,
    reason="BadRequest",
)
URL = 'Post "https://hook.svc:443/?timeout=10s"'
CALL = f'Internal error occurred: failed calling webhook "hook.example.com": {URL}'
SLOW = ClusterError(f"{CALL}: context deadline exceeded", status=500, reason="InternalError")
AWAY = ClusterError(f"{CALL}: dial tcp: connection refused", status=500, reason="InternalError")


@pytest.fixture
def manifest(make):
    body = make.config("a")
    body["metadata"]["namespace"] = "shop"
    return Manifest(body=body, ref=ref_of(body), key="a", origin=Origin(file="a.yaml"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UNABLE, "hook.example.com"),
        (SLOW, "hook.example.com"),
        (AWAY, ""),
        (ClusterError("the hook does not support dry run", status=403), ""),
        (ClusterError("no such field", status=400), ""),
        (ClusterError("context deadline exceeded", status=500), ""),
        (ClusterError("dry-run refused: does not support dry run", status=400), "unknown"),
    ],
)
def test_the_webhook_is_named_when_it_is_the_reason(error, expected):
    assert unasked_webhook(error) == expected


async def test_an_object_that_cannot_be_asked_about_is_not_predicted(world, manifest):
    world.cluster.fail("dry-run", manifest.ref, UNABLE)

    answer = (await forecast(world.cluster, [manifest]))[manifest.ref]

    assert answer.prediction is Prediction.NONE
    assert answer.webhook == "hook.example.com"


async def test_a_dry_run_that_timed_out_is_sent_once_more(world, manifest):
    world.cluster.fail("dry-run", manifest.ref, SLOW)
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    request = ApplyRequest(ref=manifest.ref, body=manifest.body, is_dry_run=True)
    live = await dry_run(world.cluster, request, sleep=sleep)

    assert live.ref == manifest.ref
    assert slept == [PAUSE_SECONDS]


async def test_a_second_timeout_is_told(world, manifest):
    world.cluster.fail("dry-run", manifest.ref, SLOW, SLOW)

    async def sleep(_seconds):
        return

    request = ApplyRequest(ref=manifest.ref, body=manifest.body, is_dry_run=True)
    with pytest.raises(ClusterError):
        await dry_run(world.cluster, request, sleep=sleep)

    assert len(world.cluster.sent("dry-run")) == 2
