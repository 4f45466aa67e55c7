"""One rollout to twelve clusters: batches, budgets, soak; nobody is left half-way."""

from __future__ import annotations

import asyncio
import json

import pytest

from rollwright import library
from rollwright.engine import fan_out as engine
from rollwright.engine.progress import Applied
from rollwright.engine.site import open_site
from rollwright.errors import InvalidDocument, NotFound, Unreachable
from rollwright.locks.memory import MemoryLocks
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.fleet_report import describe_fleet
from rollwright.rollouts.machine.fleet import fleet_form, fleet_schema
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster

NAMES = tuple(f"c{number:02}" for number in range(12))
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


class Twelve:
    """A rollout, and twelve clusters with stores of their own."""

    def __init__(self, world, make):
        self.world, self.make = world, make
        self.clusters = {name: FakeCluster([NAMESPACE], name=name) for name in NAMES}
        lines = [
            f'[clusters.{name}]\nlabels = {{env = "{"prod" if number % 2 else "test"}"}}'
            for number, name in enumerate(NAMES)
        ]
        (world.folder / "site.toml").write_text("\n".join(lines))
        self.stores = {name: MemoryStore().bind(one) for name, one in self.clusters.items()}
        self.site = None

    def open(self):
        site = open_site(library.load(self.world.folder))
        for name, cluster in self.clusters.items():
            site.use_cluster(cluster, name)
            site.use_store(self.stores[name], name)
            site.use_locks(MemoryLocks().bind(cluster), name)
        self.site = site
        return site

    async def go(self, *names, **options):
        async with self.open() as site:
            return await library.fan_out(
                self.world.folder, clusters=names or NAMES, site=site, **options
            )

    def fail(self, *names):
        """Let the first write to these clusters fail."""
        for name in names:
            self.clusters[name].fail("apply", self.make.ref("ConfigMap", "a"), Unreachable("gone"))

    @property
    def touched(self):
        return [name for name, one in self.clusters.items() if one.calls["apply"]]

    @property
    def asked(self):
        return [name for name, one in self.clusters.items() if sum(one.calls.values())]


@pytest.fixture
async def twelve(world, make):
    world.write(make.config("a"))
    return Twelve(world, make)


def statuses(report):
    return {one.cluster: one.status.value for one in report.results}


async def test_every_cluster_gets_the_rollout_and_remembers_it_itself(twelve):
    report = await twelve.go(serial=(1, 3))

    assert (report.outcome, report.exit_code) == ("succeeded", 0)
    assert twelve.touched == list(NAMES)
    assert [one.batch for one in report.results] == [1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5]
    assert all(
        [(await store.load("shop")).last.outcome == "succeeded" for store in twelve.stores.values()]
    )


async def test_a_failure_stops_it_and_leaves_the_others_as_they_were(twelve):
    twelve.fail("c01")

    report = await twelve.go(serial=(1, 2))

    found = statuses(report)
    assert (report.outcome, report.exit_code) == ("stopped", 1)
    assert [found[one] for one in ("c00", "c01", "c02")] == ["Succeeded", "Failed", "Succeeded"]
    assert twelve.asked == ["c00", "c01", "c02"]
    assert {found[one] for one in NAMES[3:]} == {"ToApply"}


async def test_failures_within_the_budget_do_not_stop_it(twelve):
    twelve.fail("c01", "c05")

    report = await twelve.go(serial=("25%",), max_failures=2)

    assert (report.outcome, report.exit_code) == ("succeeded-with-failures", 0)
    assert [one.cluster for one in report.failures] == ["c01", "c05"]


async def test_a_batch_that_succeeds_too_seldom_stops_it(twelve):
    twelve.fail("c01", "c02")

    report = await twelve.go(serial=(4,), max_failures="100%", min_success="75%")

    assert report.outcome == "stopped"
    assert "only 2 of batch 1 succeeded; at least 3 had to" in report.message
    assert twelve.asked == list(NAMES[:4])


async def test_the_same_again_goes_on_where_it_ended(twelve):
    twelve.fail("c02")
    await twelve.go(serial=(3,))
    again = await twelve.go(serial=(3,))

    assert again.outcome == "succeeded"
    assert [bool(one.report.run_id) for one in again.results] == [False, False, True, *[True] * 9]


async def test_one_cluster_s_defect_does_not_end_the_others(twelve):
    twelve.clusters["c03"].fail("list", "ConfigMap", KeyError("a value that nobody may see"))

    report = await twelve.go(max_failures=1)

    failed = report.failures[0]
    assert (failed.cluster, failed.message) == ("c03", "unexpected KeyError")
    assert len(twelve.touched) == 11


async def test_clusters_that_cannot_be_reached_are_told_by_the_exit_code(twelve):
    twelve.clusters["c00"].fail("list", "ConfigMap", *(Unreachable("gone") for _ in range(9)))

    report = await twelve.go("c00", "c01", serial=(1,))

    assert (report.outcome, report.exit_code) == ("stopped", 3)


async def test_refusals_everywhere_are_a_refusal(twelve):
    twelve.world.declare(suspend=True)

    report = await twelve.go(serial=(2,))

    assert (report.outcome, report.exit_code) == ("stopped", 4)
    assert twelve.touched == []


async def test_guards_breached_in_two_clusters_stop_it_whatever_the_budget(twelve, make):
    twelve.world.declare(prune={"maxCount": 0})
    await twelve.go()
    twelve.world.write(make.config("b"))

    report = await twelve.go(serial=(2,), max_failures="100%")

    assert report.outcome == "stopped"
    assert "guards were breached in 2 clusters: c00, c01" in report.message


async def test_a_stop_lets_those_at_work_end_and_starts_no_more(twelve, make):
    twelve.world.write(make.deployment("web"))

    def tell(progress):
        if isinstance(progress, Applied):
            twelve.site.stop.set()

    report = await twelve.go(serial=(2,), tell=tell)

    states = [await store.load("shop") for store in twelve.stores.values()]
    assert report.outcome == "cancelled"
    assert {one.journal for one in states if one} == {None}
    assert twelve.asked == ["c00", "c01"]
    assert set(statuses(report).values()) == {"Failed", "ToApply"}


async def test_whoever_gives_up_waiting_leaves_nobody_half_way(twelve, make):
    twelve.world.write(make.deployment("web"))
    begun = asyncio.Event()

    def tell(progress):
        if isinstance(progress, Applied):
            begun.set()

    going = asyncio.create_task(twelve.go(serial=(2,), tell=tell))
    await begun.wait()
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going

    states = [await store.load("shop") for store in twelve.stores.values()]
    assert {one.journal for one in states if one} == {None}
    assert set(twelve.asked) <= {"c00", "c01"}


async def test_a_cluster_that_does_not_stay_good_fails(twelve, make):
    twelve.world.write(make.deployment("web"))
    for cluster in twelve.clusters.values():
        cluster.report(make.web, make.ready)
    async with twelve.open() as site:
        loaded = library.load(twelve.world.folder)
        run = sickening(site, twelve, make)
        pace = engine.make_pace(serial=(1,), soak="50ms")
        report = await engine.fan_out(site, loaded, NAMES[:3], pace, run=run)

    assert statuses(report) == {"c00": "Failed", "c01": "ToApply", "c02": "ToApply"}
    assert report.failures[0].message.startswith(
        "did not stay good for 0.05 s: Deployment/shop/web"
    )


def sickening(site, twelve, make):
    """Run a cluster, and let its Deployment lose its pods right after."""

    async def run(there):
        result = await engine.run_here(site, there)
        cluster = twelve.clusters[there.spec.target.cluster]
        body = json.loads(json.dumps(cluster.objects[make.web]))
        body["status"] = {**body["status"], "readyReplicas": 0, "availableReplicas": 0}
        cluster.put(body)
        return result

    return run


async def test_clusters_that_stay_good_count_after_their_soak(twelve):
    assert (await twelve.go("c00", "c01", serial=(1,), soak="10ms")).outcome == "succeeded"


async def test_labels_select_clusters(twelve):
    async with twelve.open() as site:
        report = await library.fan_out(
            twelve.world.folder, clusters=("c02",), selector={"env": "prod"}, site=site
        )

    assert list(statuses(report)) == ["c02", "c01", "c03", "c05", "c07", "c09", "c11"]


async def test_a_cluster_that_site_toml_does_not_know_is_refused_before_anything_begins(twelve):
    with pytest.raises(NotFound, match="no cluster 'nowhere'"):
        await twelve.go("c00", "nowhere")

    assert twelve.asked == []


async def test_nobody_meant_is_a_mistake(twelve):
    async with twelve.open() as site:
        with pytest.raises(NotFound, match=r"no cluster of .* is meant"):
            await library.fan_out(twelve.world.folder, selector={"env": "none"}, site=site)


@pytest.mark.parametrize(
    "pace", [{"serial": ("x",)}, {"max_failures": "200%"}, {"soak": "long"}, {"serial": (0,)}]
)
async def test_a_pace_that_is_none_is_refused(twelve, pace):
    with pytest.raises(InvalidDocument, match="fan-out: "):
        await twelve.go(**pace)


async def test_the_report_has_a_line_for_each_cluster(twelve):
    twelve.fail("c01")
    report = await twelve.go("c00", "c01", "c02", serial=(2,))
    lines = text(describe_fleet(report)).splitlines()

    assert lines[0].startswith(
        "shop stopped: 1 succeeded, 1 failed, 1 not begun; 1 failure of 0 tolerated: c01"
    )
    assert [line.split()[:2] for line in lines[1:4] if "hint" not in line][:2] == [
        ["c00", "Succeeded"],
        ["c01", "Failed"],
    ]


async def test_the_report_for_programs_fits_its_schema(twelve):
    import jsonschema_rs

    twelve.fail("c01")
    report = await twelve.go("c00", "c01", "c02", serial=(2,))

    jsonschema_rs.validator_for(fleet_schema()).validate(json.loads(json.dumps(fleet_form(report))))
