"""Kubernetes Events on a real server: written, counted up, about the right object (FB-06)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright.feedback.events import API_VERSION, CONTROLLER, Events
from rollwright.kube import connect
from rollwright.plugins.contracts import FeedbackContext, ListRequest
from rollwright.rollouts.feedback import Event, Reason, Severity
from rollwright.testing.feedback_contract import NOW, a_feedback


@pytest.fixture
async def cluster(sandbox):
    cluster = await connect(kubeconfig=sandbox.kubeconfig)
    yield cluster
    await cluster.close()


@pytest.fixture
def sink(cluster, namespace):
    async def connect():
        return cluster

    return Events().bind(FeedbackContext(cluster=connect, namespace=namespace))


@pytest.fixture
def events(cluster, namespace):
    async def read():
        request = ListRequest(api_version=API_VERSION, kind="Event", namespace=namespace)
        bodies = [one.body for one in await cluster.list(request)]
        return [one for one in bodies if one.get("reportingController") == CONTROLLER]

    return read


def config(namespace, name="shop"):
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


async def test_an_event_stands_at_the_parent(sink, events, cluster, namespace):
    parent = await cluster.create(config(namespace))
    await sink.tell(a_feedback())
    [event] = await events()

    assert event["regarding"]["uid"] == parent.uid
    assert (event["reason"], event["type"]) == ("ApplyFailed", "Warning")
    assert event["note"].startswith("shop: failed: Deployment/shop/web")


async def test_equal_events_are_counted_up(sink, events, cluster, namespace):
    await cluster.create(config(namespace))
    for minutes in range(3):
        await sink.tell(a_feedback(at=NOW + timedelta(minutes=minutes)))
    [event] = await events()

    assert event["series"]["count"] == 3
    assert event["series"]["lastObservedTime"].startswith("2025-06-01T12:02")


async def test_other_events_are_others(sink, events, cluster, namespace):
    await cluster.create(config(namespace))
    await sink.tell(a_feedback())
    good = replace(a_feedback(), event=Event.SUCCEEDED, severity=Severity.INFO)
    await sink.tell(replace(good, reason=Reason.SUCCEEDED, message="1 change carried out"))

    assert sorted(one["reason"] for one in await events()) == ["ApplyFailed", "Succeeded"]


async def test_without_a_parent_it_stands_where_one_would_be(sink, events):
    await sink.tell(a_feedback())
    [event] = await events()

    assert event["regarding"]["name"] == "shop"


async def test_what_fired_is_what_it_is_about(sink, events, cluster, namespace):
    live = await cluster.create(config(namespace, "customer"))
    subject = {
        "apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace, "name": "customer",
        "uid": live.uid, "cluster": "",
    }  # fmt: skip
    await sink.tell(a_feedback(subject=subject))
    [event] = await events()

    assert event["regarding"]["uid"] == live.uid


async def test_a_long_message_is_cut(sink, events):
    await sink.tell(a_feedback(message="ä" * 3000))
    [event] = await events()

    assert len(event["note"].encode()) <= 1024
