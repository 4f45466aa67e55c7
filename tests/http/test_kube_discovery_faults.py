"""Discovery: few requests, and what does not answer is named."""

from __future__ import annotations

import asyncio

import pytest

from rollwright.errors import ClusterError
from rollwright.plugins.contracts import ApplyRequest, ListRequest
from rollwright.rollouts.manifest import ObjectRef
from rollwright.testing.fake_kinds import builtin_kinds, served_kind
from rollwright.testing.http import discovery_document, dropped, ok, status

CRON_TAB = served_kind("stable.example.com/v1", "CronTab", "crontabs")
CRON_TABS = ListRequest(api_version="stable.example.com/v1", kind="CronTab")
TABS_PATH = "/apis/stable.example.com/v1/crontabs"
GROUP_PATH = "/apis/stable.example.com/v1"
EMPTY = ok({"metadata": {}, "items": []})
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "crontabs.stable.example.com"},
    "spec": {
        "group": "stable.example.com",
        "names": {"kind": "CronTab", "plural": "crontabs"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True}, {"name": "v1alpha1", "served": False}],
    },
}


def plain_list(*resources: dict[str, object]):
    return ok({"kind": "APIResourceList", "resources": list(resources)})


CRON_TAB_LIST = plain_list(
    {"name": "crontabs", "kind": "CronTab", "namespaced": True, "verbs": ["get", "list"]},
    {"name": "crontabs/status", "kind": "CronTab", "namespaced": True, "verbs": ["get"]},
)


async def test_everything_is_read_in_two_requests(server, cluster):
    await asyncio.gather(*(cluster.discover() for _ in range(10)))
    await cluster.discover()

    assert sorted(server.paths()) == ["/api", "/apis"]


async def test_what_did_not_change_is_not_sent_again(server, cluster):
    server.on("GET", "/api", ok(discovery_document([]), ETag='"1"'), status(304))
    server.on("GET", "/apis", ok(discovery_document([CRON_TAB]), ETag='"2"'), status(304))
    before = await cluster.discover()

    after = await cluster.discover(refresh=True)

    assert after is before
    assert {one.headers.get("If-None-Match") for one in server.requests[2:]} == {'"1"', '"2"'}


async def test_after_ten_minutes_it_is_read_again(server, cluster, clock):
    await cluster.discover()
    clock.seconds += 601

    await cluster.discover()

    assert cluster.calls["discovery"] == 4


async def test_a_silent_group_is_named_with_the_reason_of_its_apiservice(server, cluster):
    server.serves(CRON_TAB, stale=["metrics.k8s.io"])
    condition = {"type": "Available", "status": "False", "message": "no endpoints"}
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1.metrics.k8s.io"
    server.on("GET", path, ok({"status": {"conditions": [condition]}}))

    found = await cluster.discover()

    assert found.missing == {"metrics.k8s.io": "APIService v1.metrics.k8s.io: no endpoints"}
    assert found.find("stable.example.com/v1", "CronTab") is not None


async def test_a_silent_group_is_named_without_permission_to_ask_why(server, cluster):
    server.serves(stale=["metrics.k8s.io"])

    found = await cluster.discover()

    assert "v1.metrics.k8s.io does not answer" in found.missing["metrics.k8s.io"]


async def test_a_kind_of_a_silent_group_is_not_called_unknown(server, cluster):
    server.serves(stale=["metrics.k8s.io"])

    with pytest.raises(ClusterError) as caught:
        await cluster.list(ListRequest(api_version="metrics.k8s.io/v1", kind="PodMetrics"))

    assert (caught.value.status, caught.value.retryable) == (503, True)


async def test_an_old_server_is_asked_per_group(server, cluster):
    versions = [{"groupVersion": "stable.example.com/v1", "version": "v1"}]
    dead = [{"groupVersion": "dead.example.com/v1", "version": "v1"}]
    groups = [
        {"name": "stable.example.com", "versions": versions},
        {"name": "dead.example.com", "versions": dead},
    ]
    server.on("GET", "/api", ok({"kind": "APIVersions", "versions": ["v1"]}))
    server.on("GET", "/apis", ok({"kind": "APIGroupList", "groups": groups}))
    server.on("GET", "/api/v1", plain_list({"name": "pods", "kind": "Pod", "namespaced": True}))
    server.on("GET", GROUP_PATH, CRON_TAB_LIST)
    server.on("GET", "/apis/dead.example.com/v1", status(503, message="no backend"))

    found = await cluster.discover()

    assert set(found.kinds) == {("v1", "Pod"), ("stable.example.com/v1", "CronTab")}
    assert list(found.missing) == ["dead.example.com"]


async def test_a_kind_that_came_since_is_found(server, cluster):
    await cluster.discover()
    server.serves(CRON_TAB)
    server.on("GET", TABS_PATH, EMPTY)

    assert await cluster.list(CRON_TABS) == ()


async def test_an_unknown_kind_costs_one_more_look_for_all_who_ask(server, cluster):
    await cluster.discover()

    await asyncio.gather(*(cluster.list(CRON_TABS) for _ in range(20)), return_exceptions=True)

    assert cluster.calls["discovery"] == 4


async def test_an_unknown_kind_is_an_error_with_the_nearest_name(cluster):
    with pytest.raises(ClusterError) as caught:
        await cluster.list(ListRequest(api_version="apps/v1", kind="Deploymnet"))

    assert (caught.value.status, caught.value.hint) == (404, "did you mean 'Deployment'?")


async def test_a_kind_in_a_version_that_ended_is_told_where_it_is(cluster):
    with pytest.raises(ClusterError) as caught:
        await cluster.list(ListRequest(api_version="extensions/v1beta1", kind="Ingress"))

    assert caught.value.hint == "Ingress is served in networking.k8s.io/v1"


async def test_a_path_that_leads_nowhere_is_looked_up_again(server, cluster):
    server.serves(CRON_TAB)
    server.on("GET", TABS_PATH, status(404), EMPTY)

    assert await cluster.list(CRON_TABS) == ()


async def test_a_kind_whose_path_ended_is_no_longer_served(server, cluster):
    server.serves(CRON_TAB)
    await cluster.discover()
    server.serves()
    ref = ObjectRef("stable.example.com", "CronTab", "shop", "one")
    body = {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "one"}}

    with pytest.raises(ClusterError) as caught:
        await cluster.apply(ApplyRequest(ref=ref, body=body))

    assert caught.value.reason == "KindNotServed"


async def test_whoever_asks_all_the_time_for_a_kind_finds_it_when_it_comes(server, cluster, clock):
    for _ in range(2):
        clock.seconds += 1.0
        with pytest.raises(ClusterError, match="no such kind"):
            await cluster.list(CRON_TABS)
    server.serves(CRON_TAB)
    server.on("GET", TABS_PATH, EMPTY)
    clock.seconds += 1.0

    assert await cluster.list(CRON_TABS) == ()
    assert server.paths().count("/apis") <= 4


# ------------------------------------------------------------------ CRDs


async def test_a_crd_is_waited_for_by_its_own_path_only(server, cluster, clock):
    await cluster.discover()
    empty = plain_list()
    server.on("GET", GROUP_PATH, status(404), *[empty] * 4, CRON_TAB_LIST)

    await cluster.establish(CRD)

    assert server.paths()[2:] == [GROUP_PATH] * 6
    assert clock.pauses == [0.025, 0.05, 0.1, 0.2, 0.25]


async def test_the_kinds_of_a_crd_are_known_without_reading_all_again(server, cluster):
    before = await cluster.discover()
    server.on("GET", GROUP_PATH, CRON_TAB_LIST)

    await cluster.establish(CRD)

    after = await cluster.discover()
    assert set(after.kinds) - set(before.kinds) == {("stable.example.com/v1", "CronTab")}
    assert server.paths().count("/apis") == 1


async def test_an_established_kind_outlives_a_discovery_that_lags_behind(server, cluster):
    server.on("GET", GROUP_PATH, CRON_TAB_LIST)
    await cluster.establish(CRD)

    found = await cluster.discover(refresh=True)

    assert found.find("stable.example.com/v1", "CronTab") is not None


async def test_several_who_wait_for_one_crd_ask_once(server, cluster):
    await cluster.discover()
    server.on("GET", GROUP_PATH, CRON_TAB_LIST)

    await asyncio.gather(*(cluster.establish(CRD) for _ in range(5)))

    assert server.paths().count(GROUP_PATH) == 1


async def test_one_who_gives_up_does_not_disturb_the_others(server, cluster):
    await cluster.discover()
    server.on("GET", GROUP_PATH, CRON_TAB_LIST)
    first = asyncio.create_task(cluster.establish(CRD))
    second = asyncio.create_task(cluster.establish(CRD))
    await asyncio.sleep(0)
    first.cancel()

    await second

    assert first.cancelled()


async def test_a_crd_that_never_comes_is_given_up(server, cluster, clock):
    server.on("GET", GROUP_PATH, status(404))

    with pytest.raises(ClusterError, match=r"does not serve v1 after 30 s") as caught:
        await cluster.establish(CRD)

    assert (caught.value.status, 29 < sum(clock.pauses) <= 30) == (504, True)


async def test_a_broken_connection_during_discovery_is_outlived(server, cluster):
    server.on("GET", "/apis", dropped(), ok(discovery_document(builtin_kinds())))

    found = await cluster.discover()

    assert found.find("apps/v1", "Deployment") is not None
