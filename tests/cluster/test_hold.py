"""Holds and revisions from the command line, and a run that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

pytestmark = pytest.mark.cluster

IMPATIENT = {"timeout": "20s", "progressTimeout": "3s"}
REFUSED = 4


@pytest.fixture
def run(shop, sandbox):
    """Call a command of the test's rollout in a process of its own, where signals work."""

    async def run(command, *words):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rollwright", command, str(shop.folder), *map(str, words),
            env={**os.environ, **sandbox.environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 90)
        return process.returncode, out.decode(), err.decode()

    return run


async def three_revisions(shop, make):
    for value in ("blue", "red", "green"):
        shop.write(make.config("settings", color=value))
        await shop.rollout()


async def test_history_is_a_table_and_a_document(shop, make, run):
    await three_revisions(shop, make)

    code, table, _ = await run("history")
    _, document, _ = await run("history", "-o", "json")

    found = json.loads(document)
    assert code == 0
    assert [line.split()[0] for line in table.splitlines()] == ["REVISION", "3", "2", "1"]
    assert (found["kind"], [one["number"] for one in found["revisions"]]) == ("History", [3, 2, 1])
    assert all(one["isKept"] for one in found["revisions"])


async def test_two_revisions_are_compared(shop, make, run):
    await three_revisions(shop, make)

    _, words, _ = await run("diff", 1, 2)
    _, document, _ = await run("diff", 1, "-o", "json")

    assert 'data.color: "blue" → "red"' in words
    found = json.loads(document)
    assert (found["new"]["number"], found["objects"][0]["fields"]) == (
        3, [{"path": "data.color", "old": "blue", "new": "green"}],
    )  # fmt: skip


async def test_a_rollback_shows_its_plan_and_holds(shop, make, run):
    await three_revisions(shop, make)

    code, words, _ = await run("rollback", "--to", 1, "--yes", "--reason", "too green")
    refused = await run("rollout", "--yes")
    _, status, _ = await run("status")

    assert code == 0
    assert "(rollback to revision 1)" in words
    assert "too green" in refused[2]
    assert refused[0] == REFUSED
    assert "held at revision 1" in status


async def test_a_rollback_without_a_terminal_follows_the_policy(shop, make, run):
    await three_revisions(shop, make)
    shop.declare(approval="always")

    code, _, err = await run("rollback")

    assert (code, "approval: always" in err) == (REFUSED, True)


async def test_a_failed_rollout_that_went_back_ends_with_one_and_tells_both(shop, make, run):
    shop.declare(onFailure="rollback", health=IMPATIENT)
    shop.write(make.deployment("web"))
    await shop.rollout()
    shop.write(make.deployment("web", "image-pull-error"))

    code, words, err = await run("rollout", "--yes")
    again = await run("rollout", "--yes", "-o", "json")

    assert code == 1
    assert "rolled back to revision 1, which is held" in words
    assert "(rollback to revision 1) succeeded" in words
    assert "going back to revision 1" in err
    assert (again[0], again[1]) == (REFUSED, "")


async def test_a_hold_refuses_until_it_is_released(shop, make, run):
    await three_revisions(shop, make)
    shop.write(make.config("settings", color="black"))

    held = await run("hold", "--reason", "freeze")
    refused = await run("rollout", "--yes")
    _, plan, _ = await run("plan")
    released = await run("release", "--reason", "thawed")
    code, _, _ = await run("rollout", "--yes")

    assert (held[0], released[0], refused[0], code) == (0, 0, REFUSED, 0)
    assert "freeze" in refused[2]
    assert "freeze" in plan
    assert [entry.kind for entry in (await shop.state()).audit] == ["hold", "release"]


async def test_a_release_of_what_is_not_held_is_nothing_to_do(shop, make, run):
    await three_revisions(shop, make)

    code, words, _ = await run("release")

    assert (code, "is not held" in words) == (0, True)


async def test_a_hold_of_an_unknown_rollout_is_not_found(shop, run):
    code, _, err = await run("hold", "--reason", "freeze")

    assert (code, "no rollout" in err) == (2, True)


@pytest.fixture
def killed(shop, sandbox):
    """Roll out in a process of its own, and kill it while it waits for an object."""

    async def killed():
        command = [sys.executable, "-m", "rollwright", "rollout", str(shop.folder), "--yes", "-v"]
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **sandbox.environment},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            await asyncio.wait_for(_until(process.stderr, b"web"), 60)
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.communicate()

    return killed


async def _until(stream, word):
    """Read lines until one says that something happened to an object in the run."""
    has_begun = False
    while line := await stream.readline():
        has_begun = has_begun or b"opening the journal" in line or b"apply-0" in line
        if has_begun and word in line:
            return
    raise AssertionError("the run ended by itself")


@pytest.mark.parametrize("policy", ["resume", "rollback"])
async def test_after_a_kill_the_next_run_follows_the_policy(shop, make, run, killed, policy):
    shop.settle(locks={"use": "lease", "namespace": shop.name, "ttl": "3s", "renewEvery": "1s"})
    shop.declare(onInterrupted=policy, health={"timeout": "60s", "progressTimeout": "60s"})
    shop.write(make.config("settings", color="blue"), make.deployment("web"))
    await shop.rollout()
    shop.write(make.config("settings", color="red"), make.deployment("web", "never-ready"))
    await killed()
    assert (await shop.state()).journal is not None
    shop.declare(onInterrupted=policy, health=IMPATIENT)

    code, words, err = await run("rollout", "--yes")

    color = (await shop.get("ConfigMap", "settings")).body["data"]["color"]
    assert (code, color) == (1, "red" if policy == "resume" else "blue")
    assert "interrupted" in err
    assert ("rolled back to revision 1" in words) is (policy == "rollback")
    assert (await shop.state()).journal is None
