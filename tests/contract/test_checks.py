"""Our checks keep the contract that third parties keep."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright.checks import BUILTIN
from rollwright.checks.condition import Condition
from rollwright.checks.expression import Expression
from rollwright.checks.field_comparisons import FieldComparisons
from rollwright.checks.healthy import Healthy
from rollwright.checks.job_oom_killed import JobOOMKilled
from rollwright.checks.pods_restarting import PodsRestarting
from rollwright.plugins.registry import Registry
from rollwright.rollouts.status import Status
from rollwright.testing.check_contract import a_check_request
from rollwright.testing.contracts import CheckContract

HOUR = timedelta(hours=1)


def a_deployment(ready, *, generation=2, observed=2, available="True"):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "generation": generation, "uid": "u"},
        "spec": {"replicas": 3},
        "status": {
            "observedGeneration": observed,
            "readyReplicas": ready,
            "conditions": [{"type": "Available", "status": available, "reason": "Because"}],
        },
    }


def a_job(**conditions):
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "namespace": "shop", "uid": "j"},
        "status": {"conditions": [{"type": k, "status": v} for k, v in conditions.items()]},
    }


def a_pod(*, restarts=0, last_reason="", owner="migrate", name="p"):
    container = {"name": "c", "restartCount": restarts, "state": {"running": {}}}
    if last_reason:
        container["lastState"] = {"terminated": {"reason": last_reason, "exitCode": 137}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "labels": {"job-name": owner},
            "creationTimestamp": "2025-12-31T00:00:00Z",
        },
        "status": {"containerStatuses": [container]},
    }


class BuiltinContract(CheckContract):
    """What we ask of our own checks beyond the contract."""

    async def test_the_memory_is_plain_json(self, check, undecided) -> None:
        await check.evaluate(undecided)

        assert json.loads(json.dumps(undecided.memory)) == undecided.memory

    async def test_the_reason_is_one_line(self, check, undecided) -> None:
        result = await check.evaluate(undecided)

        assert len(result.reason.splitlines()) == 1


class TestHealthy(BuiltinContract):
    @pytest.fixture
    def check(self):
        return Healthy(timeout=HOUR)

    @pytest.fixture
    def succeeding(self):
        return a_check_request(a_deployment(3), status=Status.CURRENT)

    @pytest.fixture
    def failing(self):
        return a_check_request(a_deployment(1), status=Status.FAILED)

    @pytest.fixture
    def undecided(self):
        return a_check_request(a_deployment(1), status=Status.IN_PROGRESS)


class TestFieldComparisons(BuiltinContract):
    @pytest.fixture
    def check(self):
        ready = {"path": "{.status.readyReplicas}", "value": {"path": "{.spec.replicas}"}}
        return FieldComparisons.model_validate({"expectedValues": [ready], "timeout": "1h"})

    @pytest.fixture
    def succeeding(self):
        return a_check_request(a_deployment(3))

    @pytest.fixture
    def failing(self):
        return a_check_request(a_deployment(1), after=HOUR)

    @pytest.fixture
    def undecided(self):
        return a_check_request(a_deployment(1))


class TestCondition(BuiltinContract):
    @pytest.fixture
    def check(self):
        return Condition(type="Available", timeout=HOUR)

    @pytest.fixture
    def succeeding(self):
        return a_check_request(a_deployment(3))

    @pytest.fixture
    def failing(self):
        return a_check_request(a_deployment(1, available="False"), after=HOUR)

    @pytest.fixture
    def undecided(self):
        return a_check_request(a_deployment(1, available="False"))


class TestExpression(BuiltinContract):
    @pytest.fixture
    def check(self):
        return Expression(
            expr="object.status.readyReplicas >= 3 && pods.all(p, has(p.metadata))",
            failure="object.status.readyReplicas == 0",
        )

    @pytest.fixture
    def succeeding(self):
        return a_check_request(a_deployment(3), pods=[a_pod()])

    @pytest.fixture
    def failing(self):
        return a_check_request(a_deployment(0))

    @pytest.fixture
    def undecided(self):
        return a_check_request(a_deployment(1))


class TestJobOOMKilled(BuiltinContract):
    @pytest.fixture
    def check(self):
        return JobOOMKilled()

    @pytest.fixture
    def succeeding(self):
        return a_check_request(a_job(Complete="True"), pods=[a_pod()])

    @pytest.fixture
    def failing(self):
        return a_check_request(a_job(), pods=[a_pod(last_reason="OOMKilled")])

    @pytest.fixture
    def undecided(self):
        return a_check_request(a_job(), pods=[a_pod()])


class TestPodsRestarting(BuiltinContract):
    @pytest.fixture
    def check(self):
        return PodsRestarting(threshold=2)

    @pytest.fixture
    def succeeding(self):
        return a_check_request(a_deployment(3), status=Status.CURRENT)

    @pytest.fixture
    def failing(self):
        memory = {"restarts": {"uid-p": {"count": 1, "added": []}}}
        request = a_check_request(a_deployment(1), pods=[a_pod(restarts=3)])
        return replace(request, memory=memory)

    @pytest.fixture
    def undecided(self):
        return a_check_request(a_deployment(1), pods=[a_pod(restarts=7)], status=Status.IN_PROGRESS)


@pytest.mark.parametrize("name", BUILTIN)
def test_every_check_is_found_by_its_name_and_has_a_schema(name) -> None:
    listing = {(one.group, one.name): one for one in Registry().listing()}

    assert listing["checks", name].schema()["type"] == "object"
