"""What a verdict quotes of the containers that failed, and what it must never show."""

from __future__ import annotations

from typing import Any

import pytest

from rollwright.engine.reading import container_logs
from rollwright.engine.reading.container_logs import ContainerLogs
from rollwright.errors import ClusterError
from rollwright.rollouts.container_logs import all_forms, failed_containers, quoted_lines
from rollwright.rollouts.manifest import ObjectRef
from rollwright.testing.fake import FakeCluster

DIED = {"terminated": {"exitCode": 1, "reason": "Error"}}
DONE = {"terminated": {"exitCode": 0}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}
RUNNING: Any = {"running": {}}


def pod(name="web-1", **lists):
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
        "status": {f"{kind}Statuses": found for kind, found in lists.items()},
    }


def container(state=BACK_OFF, last=DIED, *, name="main", ready=False, restarts=1):
    return {
        "name": name, "ready": ready, "restartCount": restarts, "state": state,
        **({"lastState": last} if last else {}),
    }  # fmt: skip


@pytest.fixture
def cluster():
    return FakeCluster()


@pytest.fixture
def logs(cluster):
    return ContainerLogs(cluster)


def texts(evidence):
    return [one.text for one in evidence]


@pytest.mark.parametrize(
    ("found", "is_previous"),
    [
        (container(BACK_OFF, DIED), True),
        (container(RUNNING, DIED), True),
        (container(DIED, None), False),
        (container(DIED, DIED), False),
    ],
    ids=["backing off", "running again", "ended", "ended again"],
)
def test_the_run_that_failed_is_meant(found, is_previous):
    (one,) = failed_containers([pod(container=[found])])

    assert one.is_previous is is_previous


@pytest.mark.parametrize(
    "found",
    [
        container(RUNNING, DIED, ready=True),
        container(RUNNING, None),
        container(DONE, None),
        container({"waiting": {"reason": "ImagePullBackOff"}}, None),
    ],
    ids=["well again", "not ready yet", "done", "never began"],
)
def test_a_container_that_did_not_fail_is_not_quoted(found):
    assert list(failed_containers([pod(container=[found])])) == []


def test_an_init_container_comes_first():
    both = pod(container=[container(name="main")], initContainer=[container(name="init")])

    assert [one.name for one in failed_containers([both])] == ["init"]


async def test_the_last_lines_are_evidence(cluster, logs):
    cluster.log("web-1", "main", "".join(f"line {n}\n" for n in range(9)), is_previous=True)

    found = await logs.quote([pod(container=[container()])], frozenset())

    assert texts(found) == [f"line {n}" for n in range(4, 9)]
    assert {(one.kind, one.name, one.uid) for one in found} == {("Log", "web-1/main", "uid-web-1")}


async def test_where_the_log_is_gone_the_present_one_is_taken(cluster, logs):
    cluster.log("web-1", "main", "here")

    assert texts(await logs.quote([pod(container=[container()])], frozenset())) == ["here"]


async def test_three_pods_are_enough(cluster, logs):
    pods = [pod(f"web-{n}", container=[container()]) for n in range(5)]
    for one in pods:
        cluster.log(one["metadata"]["name"], "main", "x", is_previous=True)

    assert len(await logs.quote(pods, frozenset())) == 3


async def test_an_end_is_read_once_and_the_next_one_again(cluster, logs):
    cluster.log("web-1", "main", "x", is_previous=True)
    for restarts in (1, 1, 2):
        await logs.quote([pod(container=[container(restarts=restarts)])], frozenset())

    assert len(cluster.sent("other")) == 2


async def test_a_run_asks_only_so_often(cluster, logs, monkeypatch):
    monkeypatch.setattr(container_logs, "REQUESTS_OF_A_RUN", 1)
    for name in ("web-1", "web-2"):
        cluster.log(name, "main", "x", is_previous=True)
        await logs.quote([pod(name, container=[container()])], frozenset())

    assert len(cluster.sent("other")) == 1


async def test_a_log_that_cannot_be_read_is_no_failure(cluster, logs):
    ref = ObjectRef("", "Pod", "shop", "web-1")
    cluster.fail("other", ref, ClusterError("may not", status=403))

    assert await logs.quote([pod(container=[container()])], frozenset()) == ()


def test_a_line_is_cut():
    (line,) = quoted_lines("x" * 999, ())

    assert len(line) == 200


def test_colors_and_empty_lines_are_left_out():
    assert quoted_lines("\x1b[31mred\x1b[0m\n\n  \nend", ()) == ("red", "end")


@pytest.mark.parametrize(
    "written",
    ["token=hunter22!", "Basic aHVudGVyMjIh", "x" * 195 + "hunter22!"],
    ids=["plain", "base64", "where the line is cut"],
)
def test_values_of_secrets_are_hidden(written):
    told = " ".join(quoted_lines(written, {"hunter22!"}))

    assert "hunter" not in told
    assert "aHVudGVy" not in told


def test_each_line_of_a_long_value_is_hidden():
    told = quoted_lines(
        "MIIEvQIBADANBg\nkqhkiG9w0BAQEF", {"-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n"}
    )

    assert told == ("***", "***")


def test_short_values_are_not_hidden():
    assert all_forms({"true"}) == frozenset()
