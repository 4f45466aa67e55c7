"""What a fresh cluster is given, and what its pods are told to do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml

from rollwright.sandbox.places import MODULE_FOLDER, Layout
from rollwright.sandbox.podlogs import pod_log_line, write_pod_log
from rollwright.sandbox.setup import UNSCHEDULABLE, node, objects, unschedulable_policy
from rollwright.sandbox.versions import BEHAVIOR_LABEL, BEHAVIORS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STAGES = [
    stage
    for file in sorted((MODULE_FOLDER / "stages").glob("*.yaml"))
    for stage in yaml.safe_load_all(file.read_text())
]
POD_STAGES = [stage for stage in STAGES if stage["spec"]["resourceRef"]["kind"] == "Pod"]


def behaviors_of(stage) -> set[str]:
    selector = stage["spec"]["selector"]
    chosen = {selector.get("matchLabels", {}).get(BEHAVIOR_LABEL)} - {None}
    for expression in selector.get("matchExpressions", ()):
        if BEHAVIOR_LABEL in expression["key"] and expression["operator"] == "In":
            chosen |= set(expression["values"]) - {"true"}
    return chosen


def test_a_node_is_ready_from_the_start():
    status = node("sandbox-0", "1.36.3", 10250, NOW)["status"]

    ready = next(entry for entry in status["conditions"] if entry["type"] == "Ready")
    assert (ready["status"], ready["lastTransitionTime"]) == ("True", "2026-03-01T12:00:00Z")


def test_a_node_runs_linux_and_has_no_taint():
    body = node("sandbox-0", "1.36.3", 10250, NOW)

    assert body["metadata"]["labels"]["kubernetes.io/os"] == "linux"
    assert "taints" not in body.get("spec", {})


def test_a_node_has_room_for_large_tests():
    status = node("sandbox-0", "1.36.3", 10250, NOW)["status"]

    assert status["capacity"] == status["allocatable"]
    assert (status["capacity"]["cpu"], status["capacity"]["pods"]) == ("32", "1000")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_there_are_as_many_nodes_as_asked_for(count):
    names = [
        body["metadata"]["name"] for path, body in objects(count, "1.36.3", 1) if "nodes" in path
    ]

    assert names == [f"sandbox-{index}" for index in range(count)]


def test_the_policy_concerns_only_pods_that_ask_for_it():
    constraints = unschedulable_policy()["spec"]["matchConstraints"]

    assert constraints["objectSelector"]["matchLabels"] == {BEHAVIOR_LABEL: UNSCHEDULABLE}


def test_every_behavior_has_its_stages():
    staged = set().union(*(behaviors_of(stage) for stage in STAGES))

    assert staged | {UNSCHEDULABLE, "crash-after-ready"} == set(BEHAVIORS)


def test_misbehaving_pods_are_not_made_ready():
    ready = next(stage for stage in STAGES if stage["metadata"]["name"] == "pod-ready")
    excluded = ready["spec"]["selector"]["matchExpressions"][0]

    assert excluded["operator"] == "NotIn"
    assert set(excluded["values"]) == set(BEHAVIORS) - {UNSCHEDULABLE, "crash-after-ready"}


@pytest.mark.parametrize("stage", POD_STAGES, ids=lambda stage: stage["metadata"]["name"])
def test_only_the_stages_of_deletion_touch_pods_that_are_being_deleted(stage):
    expressions = stage["spec"]["selector"]["matchExpressions"]
    operators = {expression["key"]: expression["operator"] for expression in expressions}

    is_of_deletion = stage["metadata"]["name"] in {"pod-kill", "pod-delete"}
    expected = "Exists" if is_of_deletion else "DoesNotExist"
    assert operators[".metadata.deletionTimestamp"] == expected


def test_pod_logs_are_lines_of_a_container_runtime(tmp_path):
    layout = Layout(tmp_path)

    write_pod_log(layout)

    times, streams, marks, texts = zip(
        *(line.split(" ", 3) for line in layout.pod_log.read_text().splitlines()), strict=True
    )
    assert all(datetime.fromisoformat(time).tzinfo for time in times)
    assert (set(streams), set(marks)) == ({"stdout", "stderr"}, {"F"})
    assert all(texts)


def test_a_pod_log_line_keeps_the_text():
    assert pod_log_line(NOW, "stdout", "a b") == "2026-03-01T12:00:00+00:00 stdout F a b\n"
