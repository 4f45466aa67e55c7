"""The same delivery at another process, or after a restart; the last one, because somebody asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from rollwright.cli import main
from rollwright.engine.listening import deliveries
from rollwright.engine.listening.again import delivered_again
from rollwright.engine.site import open_site
from rollwright.errors import NotFound
from rollwright.plugins.contracts import Firing

SITE = """\
[stores.default]
use = "file"
with.path = "states"
[locks.default]
use = "file"
with.path = "locks"
"""
KUBECONFIG = """\
{apiVersion: v1, kind: Config, current-context: x,
 clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}],
 contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {token: t}}]}
"""
D1, D2 = {"x-github-delivery": "d1"}, {"x-github-delivery": "d2"}
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


async def test_another_process_knows_what_came_in(estate, a_push):
    async with estate.open() as here:
        first = await here.send(body=a_push(), headers=D1)
        await here.idle()
        await here.send(body=a_push(new="c" * 40), headers=D2)
        await here.idle()
        async with estate.open() as there:
            same = await there.send(body=a_push(), headers=D1)
            renamed = await there.send(body=a_push(), headers={"x-github-delivery": "d9"})
            other = await there.send(body=a_push(new="d" * 40), headers={"x-github-delivery": "d3"})
            await there.idle()

    assert [one[0] for one in (first, same, renamed, other)] == [202, 202, 200, 202]
    assert estate.runner.runs == {"shop": 3}
    assert [one.rollouts for one in estate.entries] == [1, 1, 0, 0, 1]


async def test_what_another_rollout_could_not_note_is_noted_by_the_repetition(
    estate, a_push, monkeypatch
):
    estate.declare("web")
    estate.trigger("hook", ["shop", "web"])
    save, fails = type(estate.store).save, [True]

    async def half(self, state, **more):
        if fails and state.rollout.endswith("web"):
            raise OSError("the disk is full")
        return await save(self, state, **more)

    monkeypatch.setattr(type(estate.store), "save", half)
    async with estate.open() as sender:
        first = await sender.send(body=a_push(), headers=D1)
        await sender.idle()
        fails.clear()
        second = await sender.send(body=a_push(), headers=D1)
        await sender.idle()

    assert [first[0], second[0]] == [503, 202]
    assert estate.runner.runs == {"shop": 1, "web": 1}


def test_an_id_is_forgotten_after_ten_minutes_and_the_oldest_of_many_before():
    notes: Mapping[str, str] = {}
    for number in range(deliveries.MOST + 1):
        firing = Firing(id=f"hook:{number}")
        notes = deliveries.with_delivery(notes, firing, NOON + timedelta(seconds=number), "{}")
    later = NOON + timedelta(minutes=10, seconds=50)

    def known(number, at):
        return deliveries.is_repeated(notes, Firing(id=f"hook:{number}"), at)

    assert [known(0, NOON), known(1, NOON), known(49, later), known(51, later)] == [
        False, True, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "null", "[]", '{"seen": 1, "last": 2}', '{"seen": {"a": 1}}'])
def test_notes_that_are_none_know_nothing(text):
    notes = {deliveries.NOTE: text}

    assert not deliveries.is_repeated(notes, Firing(id="a"), NOON)
    assert deliveries.last_delivery(notes) is None


async def test_the_last_delivery_is_looked_at_again(estate, a_push):
    estate.declare("web")
    estate.trigger(
        "hook", ["shop", "web"], payload="release", filter="body.n == 1 || app.name == 'web'"
    )
    async with estate.open() as sender:
        await sender.send(body=a_push(n=1, release={"v": "1"}), headers=D1)
        await sender.idle()
        await sender.send(body=a_push(n=2, release={"v": "2"}), headers=D2)
        await sender.idle()
        service = sender.service
        site, declared = service.site, service.declared
        trigger, last = await delivered_again(site, declared, "hook")
        _, first = await delivered_again(site, declared, "hook", "d1")
        _, own = await delivered_again(site, declared, "shop")
        with pytest.raises(NotFound, match="no delivery 'd0' to 'hook' is known; known: d1, d2"):
            await delivered_again(site, declared, "hook", "d0")
        taken = [await service.dispatcher.accept(trigger, "manual", one) for one in (last, first)]
        await sender.idle()

    assert (last.rollouts, last.config) == (("web",), {"v": "2"})
    assert (first.rollouts, own.rollouts, own.config) == (("shop",), ("shop",), {"v": "1"})
    assert taken == [("web",), ("shop",)]
    assert estate.runner.runs == {"shop": 2, "web": 3}
    assert "" == last.fingerprint != last.id


async def test_nothing_of_a_header_is_kept(estate, a_push):
    async with estate.open(serves=False) as sender:
        await sender.send(body=a_push(filler="x"), headers={**D1, "authorization": "hunter2"})
    store = await sender.service.site.store(sender.service.declared.rollout("shop").spec)
    states = [await store.load(name) for name in await store.list()]
    kept = json.dumps([dict(one.extra) for one in states])

    assert "hook:d1" in kept
    assert not any(word in kept for word in ("hunter2", "sha256=", "filler", "clone_url"))


async def test_a_person_sends_the_last_one_again(estate, a_push, capsys, monkeypatch):
    (estate.folder / "site.toml").write_text(SITE)
    (estate.folder / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(estate.folder / "kubeconfig"))
    monkeypatch.chdir(estate.folder)

    async def trigger(*words):
        code = await asyncio.to_thread(main, ["trigger", *words, "--no-wait"])
        page = capsys.readouterr()
        return code, page.out + page.err

    unknown = await trigger("hook", "--again")
    service = estate.service()
    filed = open_site(start=estate.folder)
    service.site.use_store(await filed.store(service.declared.rollout("shop").spec))
    async with estate.open(service=service, serves=False) as sender:
        await sender.send(body=a_push(), headers=D1)
    again = await trigger("hook", "--again")
    other = await trigger("hook", "--delivery", "d0")
    wrong = await trigger("hook", "--again", "--key", "a")

    assert (unknown[0], "no delivery to 'hook' is known" in unknown[1]) == (2, True), unknown
    assert (again[0], again[1].partition(" (token")[0]) == (0, "noted: shop")
    assert "known: d1" in other[1]
    assert (wrong[0], "--again takes" in wrong[1]) == (2, True), unknown
