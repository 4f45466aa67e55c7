"""Missing rights, told all at once (AP-71)."""

from __future__ import annotations

import pytest

from rollwright.engine.reading.permissions import is_denied
from rollwright.errors import ClusterError, InvalidManifests
from rollwright.rollouts.live import live_object

DENIED = 'User "poor" cannot patch resource "configmaps" in API group "" in the namespace "shop"'


class Reviewing:
    """Answers reviews with rules that a test writes down; everything else is the cluster's."""

    def __init__(self, inner, rules=(), *, allowed=()):
        self._inner, self._rules, self._allowed = inner, rules, allowed
        self.asked = []

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def create(self, body):
        if body["kind"] not in {"SelfSubjectRulesReview", "SelfSubjectAccessReview"}:
            return await self._inner.create(body)
        self.asked.append(body)
        if body["kind"] == "SelfSubjectRulesReview":
            return live_object({**body, "status": {"resourceRules": list(self._rules)}})
        asked = body["spec"]["resourceAttributes"]
        is_allowed = (asked["resource"], asked["verb"]) in self._allowed
        return live_object({**body, "status": {"allowed": is_allowed}})


def rule(resource, *verbs, group=""):
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


READS = rule("configmaps", "get", "list", "watch")


async def refusal_of(world, *rules, allowed=(), call="dry-run"):
    world.cluster.fail(call, "ConfigMap", ClusterError(DENIED, status=403, reason="Forbidden"))
    inner = world.cluster
    world.cluster = Reviewing(inner, rules, allowed=allowed)
    with pytest.raises(ClusterError) as caught:
        await world.rollout()
    return caught.value


async def test_all_that_is_missing_is_told_at_the_first_refusal(world, make):
    world.write(make.config("a"), make.deployment("web"))

    error = await refusal_of(world, READS, rule("deployments", "*", group="apps"))

    assert error.message == (
        "shop: rights are missing: create, patch configmaps in namespace 'shop'"
    )
    assert (error.status, error.exit_code) == (403, 2)
    assert "create, patch" in error.hint


async def test_a_refused_read_tells_the_writes_as_well(world, make):
    world.write(make.config("a"))

    error = await refusal_of(world, call="list")

    assert "create, get, list, patch, watch configmaps" in error.message


async def test_rights_to_recreate_and_to_prune_count(world, make):
    world.write(make.config("a"), make.config("b"))
    await world.rollout()
    world.declare(apply={"recreateImmutable": ["ConfigMap"]})
    world.write(make.config("a", k="other"))

    error = await refusal_of(world, rule("configmaps", "get", "list", "watch", "create", "patch"))

    assert "delete configmaps in namespace 'shop'" in error.message


async def test_what_incomplete_rules_leave_out_is_asked_one_by_one(world, make):
    world.write(make.config("a"))

    allowed = {("configmaps", verb) for verb in ("get", "list", "watch", "create")}
    error = await refusal_of(world, allowed=allowed)

    assert error.message.endswith("rights are missing: patch configmaps in namespace 'shop'")


async def test_a_refusal_that_no_missing_right_explains_stays_as_it_is(world, make):
    world.write(make.config("a"))

    error = await refusal_of(world, rule("*", "*"))

    assert error.message == DENIED


async def test_a_run_with_its_rights_asks_nothing(world, make):
    world.write(make.config("a"))
    inner = world.cluster
    world.cluster = Reviewing(inner)

    await world.rollout()

    assert world.cluster.asked == []


async def test_a_quota_is_a_matter_of_the_object(world, make):
    world.write(make.config("a"))
    quota = ClusterError('configmaps "a" is forbidden: exceeded quota: few', status=403)
    world.cluster.fail("dry-run", "ConfigMap", quota)

    with pytest.raises(InvalidManifests, match="exceeded quota"):
        await world.rollout()


def test_only_a_missing_right_is_a_denial():
    assert is_denied(ClusterError(DENIED, status=403))
    assert not is_denied(ClusterError("violates PodSecurity", status=403))
    assert not is_denied(ClusterError(DENIED, status=401))
