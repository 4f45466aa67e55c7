"""Health that lasts: workloads that come up and fall again, on a real control plane (HL-135)."""

from __future__ import annotations

import asyncio
import json

import pytest

from rollwright import library
from rollwright.engine.progress import Applied, ChangeEnded, Seen
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster


def fate(report, name):
    return next(change for change in report.changes if change.ref.name == name)


async def test_pods_that_restart_within_the_soak_fail_the_rollout(shop, make):
    shop.declare(health={"soak": "5s", "timeout": "60s"})
    shop.write(make.deployment("web", "crash-after-ready"))

    report = await shop.rollout()

    web = fate(report, "web")
    assert report.outcome is Outcome.FAILED
    assert web.message.startswith("broken twice within 5 s: 1 restart of web-")
    assert "kubectl logs --previous" in web.hint


async def test_without_a_soak_the_same_pods_pass(shop, make):
    shop.write(make.deployment("web", "crash-after-ready"))

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED


def ready(kubectl, namespace, word):
    """Say of every pod whether it is ready, as its kubelet would."""
    found = json.loads(kubectl("-n", namespace, "get", "pods", "-o", "json"))
    patch = {"status": {"conditions": [{"type": "Ready", "status": word}]}}
    for pod in found["items"]:
        kubectl(
            "-n", namespace, "patch", "pod", pod["metadata"]["name"],
            "--subresource=status", "-p", json.dumps(patch),
        )  # fmt: skip


def sees(status):
    return lambda one: isinstance(one, Seen) and str(one.status.status) == status


async def turn(shop, kubectl, listener, word, status):
    """Make the pods ready or not, and wait until the object is told to be so."""
    before = [id(one) for one in listener.heard]
    await asyncio.to_thread(ready, kubectl, shop.name, word)
    await listener.until(lambda one: sees(status)(one) and id(one) not in before)


async def test_an_object_may_fall_once_and_the_clock_starts_again(shop, make, listener, kubectl):
    shop.declare(health={"soak": "4s", "timeout": "60s"})
    shop.write(make.deployment("web"))
    running = asyncio.create_task(library.rollout(shop.folder, tell=listener))
    await listener.until(sees("Current"))

    await turn(shop, kubectl, listener, "False", "InProgress")
    await asyncio.to_thread(ready, kubectl, shop.name, "True")
    report = await running

    web = fate(report, "web")
    assert report.outcome is Outcome.SUCCEEDED
    # the clock began again: the whole soak passed after the fall
    assert (web.ended_at - web.started_at).total_seconds() >= 4


async def test_an_object_that_falls_twice_has_failed(shop, make, listener, kubectl):
    shop.declare(health={"soak": "10m", "timeout": "20m"})
    shop.write(make.deployment("web"))
    running = asyncio.create_task(library.rollout(shop.folder, tell=listener))
    await listener.until(sees("Current"))
    await turn(shop, kubectl, listener, "False", "InProgress")
    await turn(shop, kubectl, listener, "True", "Current")
    await asyncio.to_thread(ready, kubectl, shop.name, "False")

    report = await running

    assert report.outcome is Outcome.FAILED
    assert fate(report, "web").message.startswith("broken twice within 600 s: it became InProgress")


async def test_workloads_soak_at_the_same_time(shop, make, listener):
    names = [f"web-{number}" for number in range(20)]
    shop.declare(health={"soak": "3s"})
    shop.write(*(make.deployment(name) for name in names), make.config("settings"))

    report = await shop.rollout(tell=listener)

    assert report.outcome is Outcome.SUCCEEDED
    told = [
        ("applied", one.change.ref.name)
        if isinstance(one, Applied)
        else ("ended", one.result.ref.name)
        for one in listener.heard
        if isinstance(one, (Applied, ChangeEnded))
    ]
    webs = [what for what, name in told if name in names]
    assert webs.index("ended") == len(names)  # nobody's soak held up another's apply


async def test_what_has_not_changed_does_not_soak_again(shop, make, listener):
    shop.declare(health={"soak": "1s"})
    shop.write(make.deployment("web"), make.config("settings"))
    await shop.rollout()
    shop.write(make.config("settings", key="other"))

    report = await shop.rollout(tell=listener)

    assert report.outcome is Outcome.SUCCEEDED
    assert not [one for one in listener.heard if isinstance(one, Seen)]
    assert report.calls.get("watch", 0) == 0


async def test_a_run_that_was_killed_soaks_what_it_applied_when_it_is_resumed(
    shop, make, listener, new_listener
):
    shop.declare(health={"soak": "2s"})
    shop.write(make.deployment("web"))
    running = asyncio.create_task(library.rollout(shop.folder, tell=listener))
    await listener.until(sees("Current"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    again = new_listener()

    report = await shop.rollout(tell=again)

    web = fate(report, "web")
    assert report.outcome is Outcome.SUCCEEDED
    assert web.operation == "keep"
    assert (web.ended_at - web.started_at).total_seconds() >= 2
    assert not [one for one in again.heard if sees("NotFound")(one)]


@pytest.fixture
def new_listener(listener):
    return type(listener)


async def test_a_verdict_quotes_the_log_of_what_crashed(shop, make, kubectl):
    shop.declare(health={"timeout": "5s"})
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "words"},
        "stringData": {"never": "kwok plays this pod"},
    }  # fmt: skip
    shop.write(make.deployment("web", "crash-loop"), make.job("migrate", "fail"), secret)

    report = await shop.rollout()
    seen = {one.ref.name: one for one in (await library.status(shop.folder)).statuses}

    quoted = [
        [one.text for one in status.evidence if one.kind == "Log"]
        for status in (fate(report, "web").status, fate(report, "migrate").status, seen["web"])
    ]
    assert quoted == 3 * [
        ["sandbox: ***, and no container runs", "sandbox: its log is the same for all pods"]
    ]


async def test_a_log_that_is_not_there_is_empty(shop, make):
    from rollwright.plugins.contracts import LogRequest
    from rollwright.rollouts.manifest import ObjectRef

    nowhere = ObjectRef("", "Pod", shop.name, "nix")

    async with shop.cluster() as cluster:
        assert await cluster.logs(LogRequest(pod=nowhere, container="main")) == ""


async def test_a_new_autoscaler_without_metrics_is_given_time(shop, make):
    scaler = {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "minReplicas": 1, "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
            }],
        },
    }  # fmt: skip
    shop.declare(health={"timeout": "4s"})
    shop.write(make.deployment("web"), scaler)

    report = await shop.rollout()

    web = next(one for one in report.changes if one.ref.kind == "HorizontalPodAutoscaler")
    assert web.outcome is not Outcome.FAILED
    assert web.status.status in {"InProgress", "Current"}


async def test_a_new_custom_resource_is_given_time_to_get_a_status(shop, make, kubectl):
    group = f"{shop.name[-8:]}.example.com"
    crd = make.crd(group)
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "status": {
                "type": "object",
                "properties": {"observedGeneration": {"type": "integer"}},
            },
        },
    }
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    basket = {"apiVersion": f"{group}/v1", "kind": "Basket", "metadata": {"name": "b"}, "spec": {}}
    shop.declare(health={"timeout": "3s"})
    shop.write(crd, basket)

    try:
        fated = fate(await shop.rollout(), "b")
    finally:
        kubectl("delete", "crd", f"baskets.{group}", "--wait=false")

    assert fated.outcome is Outcome.TIMED_OUT
    assert fated.status.status == "InProgress"
