"""A listener that is killed between accepting a delivery and its run loses none, and runs none twice."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from runpy import run_path

import aiohttp
import pytest

from rollwright.engine.listening.pending import all_pending

HERE = Path(__file__).parent
open_estate = run_path(str(HERE / "listener.py"))["open_estate"]
SECRET = "hook-secret"
ROLLOUTS = ("a", "b", "c")
DELIVERIES = 24
POINTS = ("before the note", "after the note", "before the run", "during the run",
          "after the run", "after it is settled")  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    (tmp_path / "site.toml").write_text("")
    for name in ROLLOUTS:
        source = {"use": "git", "with": {"url": f"https://github.com/shop/{name}", "ref": "main"}}
        write(tmp_path, f"{name}/rollout.yaml", "Rollout", name, {"source": source})
    when = {"use": "webhook", "with": {"type": "github", "secret": {"env": "HOOK"}}}
    write(tmp_path, "hook.trigger.yaml", "Trigger", "hook",
          {"when": when, "rollouts": list(ROLLOUTS)})  # fmt: skip
    return tmp_path


def write(folder, place, kind, name, spec):
    path = folder / "rollouts" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"apiVersion": "rollwright.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
    path.write_text(json.dumps({**head, "spec": spec}))


@asynccontextmanager
async def listener(folder, point="nowhere", count=1):
    """Start a listener; gives its address, and ends it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "listener.py"), str(folder), point, str(count),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    try:
        async with asyncio.timeout(120):
            address = (await process.stdout.readline()).decode().strip()
        yield address
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 60)


async def send(session, address, number, name):
    """Send a delivery as a forge does; whether it was acknowledged."""
    repository = {"full_name": f"shop/{name}", "clone_url": f"https://github.com/shop/{name}"}
    body = json.dumps({
        "ref": "refs/heads/main", "after": f"{number:040x}", "repository": repository,
    }).encode()  # fmt: skip
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json", "x-github-event": "push",
        "x-github-delivery": f"{number}", "x-hub-signature-256": f"sha256={signature}",
    }  # fmt: skip
    try:
        async with session.post(address, data=body, headers=headers) as answer:
            return answer.status in {200, 202}
    except aiohttp.ClientError:
        return False


async def send_all(session, address, those):
    """Send one after the other; return what was acknowledged."""
    return {number for number, name in those if await send(session, address, number, name)}


async def nothing_is_pending(folder):
    async with open_estate(folder) as site, asyncio.timeout(60):
        while await all_pending(site, ""):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("point", POINTS)
async def test_nothing_is_lost_and_none_runs_twice(folder, point, seed):
    chance = random.Random(f"{point}{seed}")  # noqa: S311  (a test's order)
    those = [(number, chance.choice(ROLLOUTS)) for number in range(1, DELIVERIES + 1)]
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async with listener(folder, point, chance.randint(1, 6)) as address:
            taken = await send_all(session, address, those)
        async with listener(folder) as address:
            await nothing_is_pending(folder)
            again = [one for one in those if one[0] not in taken and chance.random() < 0.5]
            taken |= await send_all(session, address, again)
            await nothing_is_pending(folder)
    lines = [tuple(line.split()) for line in (folder / "runs.log").read_text().splitlines()]

    assert not lost(those, again, taken, lines)
    assert not run_twice(lines)


@pytest.mark.parametrize("point", ["after the note", "after the run"])
async def test_of_three_listeners_one_may_die_at_any_time(folder, point):
    those = [(number, ROLLOUTS[number % 3]) for number in range(1, DELIVERIES + 1)]
    timeout = aiohttp.ClientTimeout(total=60)
    async with AsyncExitStack() as open_:
        session = await open_.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        dying = await open_.enter_async_context(listener(folder, point, 3))
        others = [await open_.enter_async_context(listener(folder)) for _ in range(2)]
        taken = set()
        for number, name in those:
            places = [(dying, *others)[number % 3], others[number % 2]]
            for address in places:
                if await send(session, address, number, name):
                    taken.add(number)
                    break
        await nothing_is_pending(folder)
    lines = [tuple(line.split()) for line in (folder / "runs.log").read_text().splitlines()]

    assert len(taken) == DELIVERIES
    assert not lost(those, [], taken, lines)
    assert not run_twice(lines)


async def test_a_listener_that_is_told_to_end_leaves_the_rest_to_the_next(folder):
    those = [(number, ROLLOUTS[number % 3]) for number in range(1, DELIVERIES + 1)]
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async with listener(folder, "term", 5) as address:
            taken = await send_all(session, address, those)
        async with listener(folder):
            await nothing_is_pending(folder)
    lines = [tuple(line.split()) for line in (folder / "runs.log").read_text().splitlines()]

    assert taken
    assert not lost(those, [], taken, lines)
    assert not run_twice(lines)


def lost(those, again, taken, lines):
    """Return what was acknowledged, and neither it nor a later one of its rollout carried out."""
    order = {number: place for place, (number, _) in enumerate([*those, *again])}
    last = dict.fromkeys(ROLLOUTS, -1)
    for word, name, id_ in lines:
        if word == "ended":
            last[name] = max(last[name], order[int(id_.partition(":")[2])])
    return [number for number, name in those if number in taken and order[number] > last[name]]


def run_twice(lines):
    """Return what was run again though it was noted that it is done.

    A process that dies between the end of a run and the note of it cannot know: the run that is
    made once more finds everything as it is wanted.
    """
    return [
        line[1:]
        for place, line in enumerate(lines)
        if line[0] == "began" and ("settled", *line[1:]) in lines[:place]
    ]
