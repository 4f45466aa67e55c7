"""What pods do in a real sandbox: the good ones, and each misbehavior."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from rollwright.sandbox.processes import wait_until
from rollwright.sandbox.versions import BEHAVIOR_LABEL

pytest_plugins = ["rollwright.testing.sandbox"]
pytestmark = pytest.mark.cluster

PATIENCE = timedelta(seconds=60)


def a_pod(behavior: str | None = None, *, policy: str = "Always", **spec):
    labels = {BEHAVIOR_LABEL: behavior} if behavior else {}
    containers = [{"name": "main", "image": "example/main:1"}]
    return {
        "metadata": {"name": "p", "labels": labels},
        "spec": {"restartPolicy": policy, "containers": containers, **spec},
    }


@pytest.fixture
def create(kubectl, namespace):
    def create(pod, kind: str = "Pod", version: str = "v1"):
        body = {"apiVersion": version, "kind": kind, **pod}
        kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(body))

    return create


@pytest.fixture
def see(kubectl, namespace):
    """Wait until what is read satisfies a condition; return it."""

    def see(is_it, resource: str = "pod/p"):
        seen: dict[str, Any] = {}

        def look() -> bool:
            text = kubectl("-n", namespace, "get", resource, "--ignore-not-found", "-o", "json")
            seen["last"] = json.loads(text) if text else None
            return bool(is_it(seen["last"]))

        assert wait_until(look, PATIENCE), json.dumps(seen["last"], indent=1)[-3000:]
        return seen["last"]

    return see


def condition(pod, kind="Ready"):
    conditions = pod["status"].get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


def is_ready(pod):
    return condition(pod).get("status") == "True"


def container(pod):
    return next(iter(pod["status"].get("containerStatuses", [])), {})


def waiting_reason(pod):
    return container(pod).get("state", {}).get("waiting", {}).get("reason", "")


def events(kubectl, namespace, reason):
    selector = f"--field-selector=reason={reason}"
    return json.loads(kubectl("-n", namespace, "get", "events", selector, "-o", "json"))["items"]


def test_a_pod_becomes_ready_and_has_an_address(create, see):
    create(a_pod())

    pod = see(is_ready)

    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["podIP"].startswith("100.")


def test_a_deployment_becomes_available(kubectl, namespace):
    kubectl("-n", namespace, "create", "deployment", "web", "--image=x", "--replicas=5")

    kubectl("-n", namespace, "wait", "--for=condition=Available", "deploy/web", "--timeout=60s")


def test_init_containers_have_ended_and_sidecars_run(create, see):
    inits = [
        {"name": "init", "image": "x"},
        {"name": "side", "image": "x", "restartPolicy": "Always"},
    ]
    create(a_pod(initContainers=inits))

    states = [entry["state"] for entry in see(is_ready)["status"]["initContainerStatuses"]]

    assert states[0]["terminated"]["exitCode"] == 0
    assert "running" in states[1]


def test_a_readiness_gate_is_followed_both_ways(create, see, kubectl, namespace):
    create(a_pod(readinessGates=[{"conditionType": "example.com/gate"}]))
    see(lambda pod: condition(pod).get("reason") == "ReadinessGatesNotReady")

    def set_gate(value):
        status = {"conditions": [{"type": "example.com/gate", "status": value}]}
        patch = json.dumps({"status": status})
        kubectl("-n", namespace, "patch", "pod/p", "--subresource=status", "-p", patch)

    set_gate("True")
    see(is_ready)
    set_gate("False")

    assert see(lambda pod: not is_ready(pod))


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_the_pod_of_a_job_completes(create, see, policy):
    job = {"metadata": {"name": "j"}, "spec": {"template": {"spec": a_pod(policy=policy)["spec"]}}}
    create(job, "Job", "batch/v1")

    done = see(lambda job: job["status"].get("succeeded"), "job/j")

    assert done["status"]["succeeded"] == 1


def test_a_job_that_is_deleted_takes_its_pods_along(create, see, kubectl, namespace):
    template = {"metadata": a_pod("never-ready")["metadata"], "spec": a_pod(policy="Never")["spec"]}
    del template["metadata"]["name"]
    create({"metadata": {"name": "j"}, "spec": {"template": template}}, "Job", "batch/v1")
    see(lambda job: job["status"].get("active"), "job/j")

    kubectl("-n", namespace, "delete", "job", "j", "--cascade=foreground", "--timeout=60s")

    assert kubectl("-n", namespace, "get", "pods", "-o", "name") == ""


def test_a_pod_goes_at_once(create, see, kubectl, namespace):
    create(a_pod())
    see(is_ready)

    kubectl("-n", namespace, "delete", "pod", "p", "--timeout=20s")

    assert see(lambda pod: pod is None) is None


def test_a_pod_with_a_finalizer_stays_until_it_is_taken_off(create, see, kubectl, namespace):
    pod = a_pod()
    pod["metadata"]["finalizers"] = ["example.com/wait"]
    create(pod)
    see(is_ready)
    kubectl("-n", namespace, "delete", "pod", "p", "--wait=false")
    see(lambda pod: pod["status"]["phase"] == "Failed")

    kubectl("-n", namespace, "patch", "pod", "p", "-p", '{"metadata":{"finalizers":null}}')

    assert see(lambda pod: pod is None) is None


def test_a_status_that_somebody_writes_stays(create, see, kubectl, namespace):
    create(a_pod())
    see(is_ready)
    patch = '{"status":{"phase":"Failed","reason":"Evicted"}}'
    kubectl("-n", namespace, "patch", "pod/p", "--subresource=status", "-p", patch)
    kubectl("-n", namespace, "label", "pod/p", "touched=yes")

    pod = see(lambda pod: pod["metadata"]["labels"].get("touched"))

    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Evicted")


def test_never_ready_runs_but_is_not_ready(create, see, kubectl, namespace):
    create(a_pod("never-ready"))

    pod = see(lambda pod: pod["status"]["phase"] == "Running")

    assert condition(pod)["reason"] == "ContainersNotReady"
    assert "running" in container(pod)["state"]
    assert wait_until(lambda: bool(events(kubectl, namespace, "Unhealthy")), PATIENCE)


def test_slow_start_is_not_ready_first_and_ready_later(create, see):
    create(a_pod("slow-start"))
    see(lambda pod: pod["status"]["phase"] == "Running" and not is_ready(pod))

    pod = see(is_ready)

    assert container(pod)["ready"]


@pytest.mark.parametrize(
    ("behavior", "code", "reason"), [("crash-loop", 1, "Error"), ("oom", 137, "OOMKilled")]
)
def test_a_crashing_container_is_restarted_again_and_again(create, see, behavior, code, reason):
    create(a_pod(behavior))
    see(lambda pod: waiting_reason(pod) == "CrashLoopBackOff")

    pod = see(lambda pod: container(pod).get("restartCount", 0) >= 3)

    ended = container(pod)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, reason)
    assert not is_ready(pod)


def test_crash_after_ready_is_ready_first(create, see):
    create(a_pod("crash-after-ready"))
    see(is_ready)

    pod = see(lambda pod: waiting_reason(pod) == "CrashLoopBackOff")

    assert container(pod)["restartCount"] >= 1
    assert not is_ready(pod)


def test_an_image_that_cannot_be_pulled_backs_off(create, see, kubectl, namespace):
    create(a_pod("image-pull-error"))
    see(lambda pod: waiting_reason(pod) == "ErrImagePull")

    pod = see(lambda pod: waiting_reason(pod) == "ImagePullBackOff")

    assert pod["status"]["phase"] == "Pending"
    assert "example/main:1" in container(pod)["state"]["waiting"]["message"]
    assert wait_until(lambda: bool(events(kubectl, namespace, "Failed")), PATIENCE)


@pytest.mark.parametrize("selector", [None, {"kubernetes.io/os": "linux"}])
def test_an_unschedulable_pod_is_refused_by_the_scheduler(create, see, selector):
    create(a_pod("unschedulable", **({"nodeSelector": selector} if selector else {})))

    pod = see(lambda pod: condition(pod, "PodScheduled").get("reason") == "Unschedulable")

    assert "node" in condition(pod, "PodScheduled")["message"]
    assert (selector or {}).items() <= pod["spec"]["nodeSelector"].items()


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_the_pod_of_a_job_fails(create, see, policy):
    create(a_pod("fail", policy=policy))

    pod = see(lambda pod: pod["status"]["phase"] == "Failed")

    assert container(pod)["state"]["terminated"]["exitCode"] == 2


def test_a_pod_that_is_always_restarted_does_not_fail_but_crashes(create, see):
    create(a_pod("fail"))

    pod = see(lambda pod: waiting_reason(pod) == "CrashLoopBackOff")

    assert container(pod)["lastState"]["terminated"]["exitCode"] == 2


@pytest.mark.parametrize("behavior", ["crash-loop", "never-ready", "image-pull-error", "oom"])
def test_a_misbehaving_pod_can_be_deleted(create, see, kubectl, namespace, behavior):
    create(a_pod(behavior))
    see(container)

    kubectl("-n", namespace, "delete", "pod", "p", "--timeout=20s")

    assert see(lambda pod: pod is None) is None


def test_logs_can_be_read(create, see, kubectl, namespace):
    create(a_pod())
    see(is_ready)

    assert "kwok" in kubectl("-n", namespace, "logs", "p")
