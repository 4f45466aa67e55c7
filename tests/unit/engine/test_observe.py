from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rollwright import library
from rollwright.engine.progress import Seen
from rollwright.engine.waiting.observe import Observer
from rollwright.engine.waiting.waiter import Subject
from rollwright.errors import ClusterError, Unreachable
from rollwright.rollouts.health import HealthOptions
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.report import Outcome

LABELS = {"rollwright.dev/rollout": "shop"}


@pytest.fixture
async def observe(world, make):
    """Wait for the Deployment ``web`` with the given options; the observer is closed at the end."""
    observers = []

    def observe(**options):
        observer = Observer(
            world.cluster,
            library.load(world.folder).spec,
            tell=world.heard.append,
            options=HealthOptions(**{"timeout": timedelta(seconds=5), **options}),
        )
        observers.append(observer)
        live = world.cluster.put(web(make))
        subject = Subject(
            ref=make.web, api_version="apps/v1", applied_at=datetime.now(UTC), live=live
        )
        return observer, subject

    yield observe
    for observer in observers:
        await observer.close()


def web(make, **status):
    body = make.deployment("web")
    body["metadata"] |= {"namespace": "shop", "labels": LABELS}
    return {**body, "status": status} if status else body


async def until(is_it):
    for _ in range(500):
        if is_it():
            return
        await asyncio.sleep(0.01)
    pytest.fail("nothing came of it")


async def test_an_object_that_becomes_current_ends_its_wait(world, make, observe):
    observer, subject = observe()
    waiting = asyncio.create_task(observer.wait(subject, asyncio.Event()))
    await until(lambda: world.cluster.sent("watch"))
    world.cluster.put(web(make, **make.ready({"metadata": {}})))

    waited = await waiting

    assert waited.outcome is Outcome.SUCCEEDED


async def test_what_happened_before_the_watch_began_is_seen(world, make, observe):
    observer, subject = observe()
    world.cluster.put(web(make, **make.ready({"metadata": {}})))

    waited = await observer.wait(subject, asyncio.Event())

    assert waited.outcome is Outcome.SUCCEEDED


async def test_a_watch_that_is_forbidden_fails_the_wait_with_its_reason(world, observe):
    observer, subject = observe()
    refusal = ClusterError("may not watch", status=403, hint="grant watch on deployments")
    world.cluster.fail("watch", "Deployment", refusal)

    waited = await observer.wait(subject, asyncio.Event())

    assert (waited.outcome, waited.hint) == (Outcome.FAILED, "grant watch on deployments")
    assert "may not watch" in waited.message


async def test_a_watch_that_did_not_begin_is_begun_again(world, make, observe):
    observer, subject = observe()
    world.cluster.fail("watch", "Deployment", Unreachable("restarting"), Unreachable("restarting"))
    world.cluster.put(web(make, **make.ready({"metadata": {}})))

    waited = await observer.wait(subject, asyncio.Event())

    assert waited.outcome is Outcome.SUCCEEDED


async def test_a_watch_that_breaks_by_a_bug_does_not_hang(world, observe):
    observer, subject = observe()
    world.cluster.fail("watch", "Deployment", KeyError("bug"))

    waited = await observer.wait(subject, asyncio.Event())

    assert waited.outcome is Outcome.FAILED
    assert "KeyError" in waited.message


async def test_rights_in_the_namespace_only_are_enough_to_watch(world, make, observe):
    observer, subject = observe()
    observer.expect([("apps/v1", ObjectRef("apps", "Deployment", "other", "x"))])
    world.cluster.fail("watch", "Deployment", ClusterError("no", status=403))
    world.cluster.put(web(make, **make.ready({"metadata": {}})))

    waited = await observer.wait(subject, asyncio.Event())

    assert waited.outcome is Outcome.SUCCEEDED
    assert [one.namespace for one in world.cluster.sent("watch")[:2]] == ["", "shop"]


async def test_an_object_without_our_label_is_watched_by_its_name(world, make, observe):
    observer, _ = observe()
    body = make.deployment("other")
    body["metadata"] |= {"namespace": "shop", "finalizers": ["example.com/slow"]}
    body["metadata"]["deletionTimestamp"] = "2025-01-01T00:00:00Z"
    live = world.cluster.put(body)
    leaving = Subject(
        ref=live.ref, api_version="apps/v1", applied_at=datetime.now(UTC), live=live, uid=live.uid
    )
    waiting = asyncio.create_task(observer.wait_until_gone(leaving, asyncio.Event()))
    await until(lambda: world.cluster.sent("watch"))
    await asyncio.sleep(0)
    was_over = waiting.done()
    world.cluster.remove(live.ref)

    waited = await waiting

    assert not was_over
    assert waited.outcome is Outcome.SUCCEEDED


async def test_a_stop_ends_the_wait_as_cancelled(world, observe):
    observer, subject = observe()
    stop = asyncio.Event()
    waiting = asyncio.create_task(observer.wait(subject, stop))
    await until(lambda: world.cluster.sent("watch"))
    stop.set()

    waited = await waiting

    assert waited.outcome is Outcome.CANCELLED


async def test_a_kind_is_watched_once_for_all_its_objects(world, make, observe):
    observer, subject = observe()
    stop = asyncio.Event()
    others = []
    for number in range(5):
        body = make.deployment(f"web-{number}")
        body["metadata"] |= {"namespace": "shop", "labels": LABELS}
        live = world.cluster.put(body)
        others.append(
            Subject(ref=live.ref, api_version="apps/v1", applied_at=datetime.now(UTC), live=live)
        )
    tasks = [asyncio.create_task(observer.wait(one, stop)) for one in (subject, *others)]
    await until(lambda: len(world.cluster.sent("watch")) > 1)
    stop.set()
    await asyncio.gather(*tasks)

    kinds = [one.kind for one in world.cluster.sent("watch")]

    assert kinds.count("Deployment") == 1
    assert len(kinds) == len(set(kinds))


async def test_a_soak_passes_only_after_its_length(world, make, observe):
    observer, subject = observe(soak=timedelta(seconds=0.3))
    world.cluster.put(web(make, **make.ready({"metadata": {}})))
    began_at = datetime.now(UTC)

    waited = await observer.wait(subject, asyncio.Event())

    assert waited.outcome is Outcome.SUCCEEDED
    assert datetime.now(UTC) - began_at >= timedelta(seconds=0.3)


async def test_a_second_break_of_the_soak_fails_the_wait(world, make, observe):
    observer, subject = observe(soak=timedelta(hours=1))
    good, bad = (
        web(make, **make.ready({"metadata": {}})),
        web(make, replicas=1, observedGeneration=1),
    )
    waiting = asyncio.create_task(observer.wait(subject, asyncio.Event()))
    await until(lambda: len(world.cluster.sent("watch")) >= 5)
    for body in (good, bad, good, bad):
        world.cluster.put(body)
        await asyncio.sleep(0.05)

    waited = await waiting

    assert waited.outcome is Outcome.FAILED
    assert "broken twice" in waited.message


async def test_many_objects_soak_at_the_same_time(world, make):
    clock = [datetime.now(UTC)]
    observer = Observer(
        world.cluster,
        library.load(world.folder).spec,
        tell=world.heard.append,
        now=lambda: clock[0],
        options=HealthOptions(timeout=timedelta(hours=2), soak=timedelta(hours=1)),
    )
    lives = [world.cluster.put(good(make, f"web-{number}")) for number in range(100)]
    waits = [
        asyncio.create_task(observer.wait(one, asyncio.Event()))
        for one in map(subject_of_live, lives)
    ]
    await until(lambda: soaking(world) == 100)
    were_over = [one.done() for one in waits]
    for turn in "abc":  # one after another they would need a hundred hours
        clock[0] += timedelta(hours=1)
        for live in lives:
            metadata = {**live.metadata, "annotations": {"turn": turn}}
            world.cluster.put({**live.body, "metadata": metadata})
        await asyncio.wait(waits, timeout=2)

    await observer.close()
    ended = [one.result() for one in waits]

    assert not any(were_over)
    assert {one.outcome for one in ended} == {Outcome.SUCCEEDED}


def good(make, name):
    body = make.deployment(name)
    body["metadata"] |= {"namespace": "shop", "labels": LABELS}
    return {**body, "status": make.ready({"metadata": {}})}


def subject_of_live(live):
    return Subject(ref=live.ref, api_version="apps/v1", applied_at=datetime.now(UTC), live=live)


def soaking(world):
    return len({one.status.ref for one in world.heard if isinstance(one, Seen)})


async def test_a_kind_without_behavior_does_not_soak(world, make, observe):
    observer, _ = observe(soak=timedelta(hours=1))
    live = world.cluster.put({**make.config("c"), "metadata": {"name": "c", "namespace": "shop"}})
    subject = Subject(ref=live.ref, api_version="v1", applied_at=datetime.now(UTC), live=live)

    waited = await observer.wait(subject, asyncio.Event())

    assert waited.outcome is Outcome.SUCCEEDED
    assert world.cluster.sent("watch") == ()


async def test_an_object_that_breaks_its_soak_late_has_its_time_again(make):
    from rollwright.engine.waiting.waiter import Waiter
    from rollwright.rollouts.health import Goal, HealthContext, Soak

    start = datetime(2025, 1, 1, tzinfo=UTC)
    bad = live_object(web(make, replicas=1, observedGeneration=1))
    subject = Subject(ref=bad.ref, api_version="apps/v1", applied_at=start, live=bad)
    soak = Soak(length=timedelta(minutes=30), started_at=start)
    waiter = Waiter(subject=subject, goal=Goal.READY, live=bad, moved_at=start, soak=soak)
    options = HealthOptions(timeout=timedelta(minutes=10), progress_timeout=timedelta(minutes=10))
    context = HealthContext(options=options, applied_at=start)

    waiter.judge(context, start + timedelta(minutes=9), is_informed=True)
    later = waiter.judge(context, start + timedelta(minutes=15), is_informed=True)[1]
    too_late = waiter.judge(context, start + timedelta(minutes=19), is_informed=True)[1]

    assert (later.is_over, too_late.is_over) == (False, True)


async def test_a_cause_is_remembered_from_when_it_was_first_seen(make):
    from rollwright.engine.waiting.waiter import Waiter
    from rollwright.rollouts.health import Goal, HealthContext, Windows

    pod = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop", "uid": "u", "creationTimestamp": "2020-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
        "status": {
            "phase": "Pending", "startTime": "2020-01-01T00:00:00Z",
            "containerStatuses": [
                {"name": "main", "image": "x", "ready": False, "restartCount": 0,
                 "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}}}
            ],
        },
    }  # fmt: skip
    start = datetime(2025, 1, 1, tzinfo=UTC)
    live = live_object(pod)
    subject = Subject(ref=live.ref, api_version="v1", applied_at=start, live=live)
    waiter = Waiter(subject=subject, goal=Goal.READY, live=live, moved_at=start)
    options = HealthOptions(windows=Windows(config_error=timedelta(seconds=60)))
    context = HealthContext(options=options, applied_at=start)

    early = waiter.judge(context, start, is_informed=True)[1]
    late = waiter.judge(context, start + timedelta(seconds=61), is_informed=True)[1]

    assert (early.is_over, late.is_over) == (False, True)
