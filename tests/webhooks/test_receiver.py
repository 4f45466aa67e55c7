"""What is answered, what is noted, and what is told of deliveries."""

from __future__ import annotations

import asyncio
import json

import pytest

from rollwright.engine.listening import pending
from rollwright.engine.listening.pending import all_pending
from rollwright.errors import Refused, Unreachable
from rollwright.plugins.contracts import Firing
from rollwright.webhooks.audit import AuditFile, Entry
from rollwright.webhooks.server import receiving


async def test_a_delivery_becomes_a_run(estate, a_push):
    async with estate.open() as sender:
        status, _, text = await sender.send(body=a_push())
        await sender.idle()

    assert (status, text) == (202, b"{}")
    assert estate.runner.runs == {"shop": 1}


async def test_it_is_noted_before_it_is_answered(estate, a_push):
    async with estate.open(serves=False) as sender:
        await sender.send(body=a_push(), headers={"x-github-delivery": "d1"})
        noted = await all_pending(sender.service.site, "")

    assert [one.firing.id for one in noted] == ["hook:d1"]


async def test_one_that_cannot_be_noted_is_not_acknowledged(estate, a_push, monkeypatch):
    async with estate.open(serves=False) as sender:
        with monkeypatch.context() as patched:

            async def away(*_about, **_more):
                raise Unreachable("the store is away")

            patched.setattr(type(estate.store), "save", away)
            refused = await sender.send(body=a_push())
        again = await sender.send(body=a_push())

    assert refused[0] == 503
    assert "retry-after" in refused[1]
    assert again[0] == 202


@pytest.mark.parametrize("headers", [{"x-hub-signature-256": None}, {"x-hub-signature-256": "x"}])
async def test_a_forged_one_is_refused(estate, a_push, headers):
    async with estate.open() as sender:
        status, _, text = await sender.send(body=a_push(), headers=headers)

    assert (status, text) == (403, b"{}")
    assert estate.outcomes == {"forged": 1}
    assert not estate.runner.runs


async def test_an_address_that_nobody_has_says_nothing(estate, a_push):
    async with estate.open() as sender:
        guessed = sender.receiver.url + "/hooks/" + "0" * 64
        unknown = await sender.send(body=a_push(), url=guessed)
        elsewhere = await sender.send(body=a_push(), url=sender.receiver.url + "/anything")

    assert (unknown[0], unknown[2]) == (elsewhere[0], elsewhere[2]) == (404, b"{}")


async def test_other_methods_are_refused(estate):
    async with (
        estate.open() as sender,
        sender.session.get(sender.hooks["hook"]) as answer,
        sender.session.get(sender.receiver.url + "/healthz") as health,
    ):
        statuses = answer.status, health.status

    assert statuses == (405, 200)


async def test_a_repeated_delivery_does_nothing(estate, a_push):
    body = a_push()
    async with estate.open() as sender:
        first = await sender.send(body=body, headers={"x-github-delivery": "d1"})
        await sender.idle()
        same = await sender.send(body=body, headers={"x-github-delivery": "d1"})
        renamed = await sender.send(body=body, headers={"x-github-delivery": "d2"})
        await sender.idle()

    assert [one[0] for one in (first, same, renamed)] == [202, 200, 200]
    assert estate.runner.runs == {"shop": 1}


async def test_deliveries_at_the_same_time_are_one(estate, a_push):
    async with estate.open() as sender:
        answers = await asyncio.gather(*(sender.send(body=a_push()) for _ in range(10)))
        await sender.idle()

    assert sorted(one[0] for one in answers) == [200] * 9 + [202]


async def test_what_is_too_large_is_refused(estate):
    async with estate.open(maxBody=1000) as sender:
        just = await sender.send(body=b'{"a": "' + b"x" * 991 + b'"}')
        told = await sender.send(body=b"x" * 1001)

        async def parts():
            for _ in range(20):
                yield b"x" * 100

        async with sender.session.post(sender.hooks["hook"], data=parts()) as answer:
            untold = answer.status

    assert [just[0], told[0], untold] == [202, 413, 415]
    assert estate.outcomes["too large"] == 1


async def test_a_body_of_unknown_length_is_refused_when_it_gets_too_large(estate):
    async with estate.open(maxBody=1000) as sender:

        async def parts():
            for _ in range(20):
                yield b"x" * 100

        headers = {"content-type": "application/json"}
        async with sender.session.post(
            sender.hooks["hook"], data=parts(), headers=headers
        ) as answer:
            assert answer.status == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/xml"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"content-type": "application/cloudevents+json"}, 202),
        ({"content-type": "application/json; charset=utf-8"}, 202),
    ],
)
async def test_only_json_is_read(estate, a_push, headers, status):
    async with estate.open() as sender:
        assert (await sender.send(body=a_push(), headers=headers))[0] == status


@pytest.mark.parametrize("body", [b"{", b"[" * 200 + b"]" * 200, b"\xff"])
async def test_what_is_no_json_is_refused(estate, body):
    async with estate.open() as sender:
        assert (await sender.send(body=body))[0] == 400


async def test_too_many_have_to_wait(estate, a_push):
    async with estate.open(rate=0.001, burst=3) as sender:
        answers = [await sender.send(body=a_push(new=f"{n:040x}")) for n in range(1, 6)]

    assert [one[0] for one in answers] == [202, 202, 202, 429, 429]
    assert int(answers[-1][1]["retry-after"]) > 1000


async def test_each_receiver_has_a_rate_of_its_own(estate, a_push):
    estate.trigger("other", ["shop"])
    async with estate.open(rate=0.001, burst=1) as sender:
        statuses = [
            (await sender.send(name, body=a_push()))[0] for name in ("hook", "hook", "other")
        ]

    assert statuses == [202, 429, 202]


async def test_two_secrets_have_two_addresses(estate, a_push, monkeypatch):
    monkeypatch.setenv("FORMER", "former")
    estate.trigger("hook", ["shop"], formerSecret={"env": "FORMER"})
    async with estate.open() as sender:
        addresses = [address for _, address in sender.receiver.hooks]
        statuses = [
            (await sender.send(body=a_push(new=new * 40), secret=secret, url=url))[0]
            for new, secret, url in zip("cd", ("hook-secret", "former"), addresses, strict=True)
        ]

    assert statuses == [202, 202]


async def test_a_trigger_without_its_secret_is_told_and_disturbs_no_other(estate, a_push):
    estate.trigger("lost", ["shop"], secret={"env": "NOBODY"})
    async with estate.open() as sender:
        status = (await sender.send(body=a_push()))[0]

    assert status == 202
    assert list(sender.hooks) == ["hook"]
    assert "lost" in sender.receiver.faults[0]


async def test_the_log_tells_who_and_how_many_and_no_secret(estate, a_push, tmp_path):
    estate.declare("web")
    estate.trigger("hook", ["shop", "web"])
    async with estate.open() as sender:
        await sender.send(body=a_push(), headers={"x-github-delivery": "d1"})
        await sender.send(body=a_push(), secret="guessed")
        await sender.send(body=b"x", url=sender.receiver.url + "/hooks/abc")
    log = tmp_path / "log" / "hooks.jsonl"
    tell = AuditFile(log)
    for entry in estate.entries:
        tell(entry)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    seen = [(one["receiver"], one["outcome"], one["status"], one["rollouts"]) for one in lines]

    assert seen == [
        ("hook", "accepted", 202, 2), ("hook", "forged", 403, 0), ("", "unknown", 404, 0),
    ]  # fmt: skip
    assert (lines[0]["delivery"], lines[0]["source"]) == ("d1", "127.0.0.1")
    assert not any(word in log.read_text() for word in ("hook-secret", "clone_url", "guessed"))


def test_a_log_that_cannot_be_written_is_told_at_once(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(Refused, match="cannot write the log"):
        AuditFile(tmp_path / "file" / "log")


def test_a_line_of_the_log_is_one_line():
    from datetime import UTC, datetime

    line = Entry(delivery="a\nb\x1b[0m" + "x" * 5000).line(datetime.now(UTC))

    assert line.count(b"\n") == 1
    assert len(line) < 500


@pytest.mark.parametrize(
    ("proxies", "source"), [([], "127.0.0.1"), (["127.0.0.0/8", "10.0.0.0/8"], "203.0.113.5")]
)
async def test_only_proxies_that_are_named_tell_who_sent_it(estate, a_push, proxies, source):
    forwarded = {"x-forwarded-for": "1.2.3.4, 203.0.113.5, 10.1.1.1"}
    async with estate.open(proxies=proxies) as sender:
        await sender.send(body=a_push(), headers=forwarded)

    assert estate.entries[0].source == source


async def test_a_port_that_is_taken_is_told(estate):
    async with estate.open() as sender:
        port = int(sender.receiver.url.rpartition(":")[2])
        settings = sender.service.site.loaded.file.webhooks.model_copy(update={"port": port})

        with pytest.raises(Unreachable, match="cannot listen at"):
            async with receiving(sender.service, settings):
                pass


async def test_after_a_stop_nothing_is_taken_and_what_was_is_kept(estate, a_push):
    async with estate.open(serves=False) as sender:
        await sender.send(body=a_push())
        site = sender.service.site
        url = sender.hooks["hook"]
    import aiohttp

    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(url)
    assert len(await all_pending(site, "")) == 1


async def test_a_write_that_fails_fails_all_that_shared_it(estate, monkeypatch):
    service = estate.service()
    trigger = service.declared.trigger("hook")
    gate, calls = asyncio.Event(), []

    async def keep(_site, wanted):
        calls.append(wanted)
        if len(calls) == 1:
            await gate.wait()
            return wanted
        raise Unreachable("the store is away")

    monkeypatch.setattr("rollwright.engine.listening.noting.keep", keep)
    accept = service.dispatcher.accept
    tasks = [
        asyncio.create_task(accept(trigger, "webhook", Firing(id=str(number))))
        for number in range(3)
    ]
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert results[0] == ("shop",)
    assert [type(one) for one in results[1:]] == [Unreachable, Unreachable]


async def test_a_new_one_beside_one_that_was_answered_is_noted(estate, monkeypatch):
    service = estate.service()
    trigger, site = service.declared.trigger("hook"), service.site
    accept = service.dispatcher.accept
    await accept(trigger, "webhook", Firing(id="old"))
    (noted,) = await all_pending(site, "")
    await pending.settle(site, noted, outcome="succeeded", at=noted.at)

    async def slowly(*about):
        await asyncio.sleep(0)
        return await pending.keep(*about)

    monkeypatch.setattr("rollwright.engine.listening.noting.keep", slowly)
    firings = [Firing(id=one) for one in ("old", "new", "old")]
    taken = await asyncio.gather(*(accept(trigger, "webhook", one) for one in firings))

    assert taken[1] == ("shop",)
    assert [one.firing.id for one in await all_pending(site, "")] == ["new"]
