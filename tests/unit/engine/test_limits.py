from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from rollwright.engine.custody.limits import RENDERS, ROLLOUTS, Limits
from rollwright.engine.site_file import load_site, parse_site
from rollwright.errors import InvalidSpec, LockLost
from rollwright.locks.memory import MemoryLocks
from rollwright.plugins.contracts import LockOwner
from rollwright.plugins.registry import Registry
from rollwright.testing.fake import FakeCluster

OWNER = LockOwner(id="run-1", actor="ann", operation="rollout")

PLUGIN = """
from contextlib import asynccontextmanager
from pydantic import BaseModel
from rollwright.locks.memory import MemoryLocks

ASKED = []

class Counting(BaseModel):
    color: str = "red"

    def bind(self, cluster):
        return MemoryLocks().bind(cluster)

    def limit(self, name, places):
        return Service(self.color, name, places)

class Service:
    def __init__(self, *facts):
        self.facts = facts
        self.is_closed = False
        self.locks = MemoryLocks()

    @asynccontextmanager
    async def hold(self, key, *, owner, wait):
        ASKED.append((*self.facts, key))
        async with self.locks.hold(key, owner=owner, wait=wait) as place:
            self.place = place
            yield place

    async def close(self):
        ASKED.append("closed")
"""

SITE = """
[site]
name = "bakery"
[clusters.prod]
kubeconfig = "x"
labels = {region = "eu"}
[plugins.locks]
counting = "tasks/counting.py:Counting"
"""


@pytest.fixture
def make(tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "counting.py").write_text(PLUGIN)

    def make(text):
        (tmp_path / "site.toml").write_text(f"{SITE}\n{text}")
        loaded = load_site(tmp_path / "site.toml", environ={})
        files = {"locks": dict(loaded.file.plugins.locks)}
        registry = Registry(site=tmp_path, files=files)

        async def cluster_named(name):
            return FakeCluster()

        limits = Limits(loaded, registry, cluster_named)
        return limits, lambda: asked(registry)

    return make


def asked(registry):
    return registry.find("locks", "counting").limit.__globals__["ASKED"]


@asynccontextmanager
async def a_lock():
    async with MemoryLocks().hold("shop", owner=OWNER, wait=None) as lock:
        yield lock


async def test_without_a_limit_the_lock_is_handed_on(make):
    limits, _ = make("")
    async with a_lock() as lock, limits.beside(lock, "prod", OWNER, None) as held:
        assert held is lock


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ("", "cluster "),
        ('per = "cluster"', "cluster "),
        ('per = "site"', "site bakery"),
        ('per = "region"', "region=eu"),
        ('per = "tier"', "tier="),
    ],
)
async def test_a_place_belongs_to_a_cluster_a_site_or_a_label(make, entry, key):
    limits, asked = make(f'[limits.rollouts]\nmax = 4\nuse = "counting"\n{entry}\n')
    async with limits.entered(ROLLOUTS, "prod", OWNER, None):
        [(_, name, places, found)] = asked()

    assert (name, places) == ("rollouts", 4)
    assert found.startswith(key)


async def test_renders_are_counted_by_site(make):
    limits, asked = make('[limits.renders]\nmax = 2\nuse = "counting"\n')
    async with limits.entered(RENDERS, "prod", OWNER, None):
        pass

    assert asked() == [("red", "renders", 2, "site bakery")]


async def test_options_are_those_of_the_locks_unless_there_are_others(make):
    locks = '[locks.default]\nuse = "counting"\nwith = {color = "blue"}\n'
    inherited, asked = make(f"{locks}[limits.rollouts]\nmax = 1\n")
    async with inherited.entered(ROLLOUTS, "prod", OWNER, None):
        pass
    own, asked = make(
        f'{locks}[limits.rollouts]\nmax = 1\nuse = "counting"\nwith = {{color = "green"}}\n'
    )
    async with own.entered(ROLLOUTS, "prod", OWNER, None):
        pass

    assert [one[0] for one in asked()] == ["blue", "green"]


async def test_locks_that_keep_no_limits_are_named(make):
    limits, _ = make("[limits.rollouts]\nmax = 4\n")
    with pytest.raises(InvalidSpec, match=r"limits\.rollouts: locks of kind 'lease' keep no"):
        async with limits.entered(ROLLOUTS, "prod", OWNER, None):
            pass


async def test_who_loses_its_place_has_lost_its_lock(make):
    limits, _ = make('[limits.rollouts]\nmax = 4\nper = "site"\nuse = "counting"\n')
    async with a_lock() as lock, limits.beside(lock, "prod", OWNER, None) as held:
        held.check()
        await limits._services[ROLLOUTS].locks.release("site bakery", reason="test")
        await asyncio.wait_for(held.lost.wait(), 5)

        with pytest.raises(LockLost):
            held.check()
        assert (held.key, held.token) == (lock.key, lock.token)


async def test_services_are_closed(make):
    limits, asked = make('[limits.rollouts]\nmax = 4\nuse = "counting"\n')
    async with limits.entered(ROLLOUTS, "prod", OWNER, None):
        pass
    await limits.close()

    assert asked()[-1] == "closed"


@pytest.mark.parametrize(
    "text",
    ["rollouts = {}", "rollouts = {max = 0}", "rollouts = {max = '4'}", "others = {max = 4}"],
)
def test_a_limit_that_cannot_be_is_refused(text):
    with pytest.raises(InvalidSpec, match="limits"):
        parse_site(f"[limits]\n{text}\n")


def test_the_environment_sets_a_limit():
    site = parse_site("", environ={"ROLLWRIGHT_LIMITS__ROLLOUTS__MAX": "4"})

    assert site.limits.rollouts
    assert site.limits.rollouts.max == 4


class Losable:
    """A lock that is lost when the test says so."""

    def __init__(self):
        self.lost = asyncio.Event()

    def check(self):
        if self.lost.is_set():
            raise LockLost("lock 'shop' is lost")


async def test_who_loses_its_lock_in_the_queue_leaves_it_at_once(make):
    limits, asked = make('[limits.rollouts]\nmax = 1\nuse = "counting"\n')
    lock = Losable()
    async with limits.entered(ROLLOUTS, "prod", OWNER, None):
        waiting = asyncio.ensure_future(enter(limits, lock))
        while len(asked()) < 2:
            await asyncio.sleep(0)
        lock.lost.set()

        with pytest.raises(LockLost):
            await asyncio.wait_for(waiting, 10)


async def enter(limits, lock):
    async with limits.beside(lock, "prod", OWNER, None):
        pytest.fail("there was no place")
