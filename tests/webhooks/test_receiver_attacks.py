"""Who was told an address, or found the port, and means no good."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading

import pytest

from rollwright.engine.listening.queue import Lane, Queue
from rollwright.triggers.webhook.bodies import read_body
from rollwright.webhooks import intake, room
from rollwright.webhooks.audit import AuditFile
from rollwright.webhooks.connections import HurriedProtocol


class Wire:
    """Bytes to a receiver, and back."""

    def __init__(self, sender):
        host, _, port = sender.receiver.url.removeprefix("http://").rpartition(":")
        self.place, self.path = (host, int(port)), sender.hooks["hook"].split(port, 1)[1]

    async def talk(self, *parts):
        """Send bytes; return what is answered until the other end hangs up."""
        reader, writer = await asyncio.open_connection(*self.place)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            async with asyncio.timeout(20):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    def request(self, body, *headers, path=None, method="POST", secret="hook-secret"):  # noqa: S107
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        lines = [
            f"{method} {path or self.path} HTTP/1.1", "Host: a", "Connection: close",
            "Content-Type: application/json", "X-GitHub-Event: push",
            f"X-Hub-Signature-256: sha256={signature}", *headers,
        ]  # fmt: skip
        return "\r\n".join([*lines, "", ""]).encode()

    async def send(self, body, *headers, **more):
        length = f"Content-Length: {len(body)}"
        answer = await self.talk(self.request(body, length, *headers, **more) + body)
        return int(answer.split()[1]) if answer else 0


@pytest.fixture
async def wire(estate):
    async with estate.open() as sender:
        yield Wire(sender)


async def test_a_flood_of_forged_ones_uses_up_nothing_of_the_sender(estate, a_push):
    async with estate.open(rate=0.001, burst=3) as sender:
        forged = [await sender.send(body=a_push(), secret="guessed") for _ in range(6)]
        genuine = await sender.send(body=a_push())

    assert [one[0] for one in forged] == [403] * 3 + [429] * 3
    assert int(forged[-1][1]["retry-after"]) > 1000
    assert genuine[0] == 202


async def test_a_forged_one_with_the_id_of_an_honest_one_is_not_remembered(estate, a_push):
    async with estate.open() as sender:
        ids = {"x-github-delivery": "d1"}
        forged = await sender.send(body=a_push(), headers=ids, secret="guessed")
        honest = await sender.send(body=a_push(), headers=ids)

    assert (forged[0], honest[0]) == (403, 202)


async def test_one_id_at_two_receivers_is_two_deliveries(estate, a_push):
    estate.trigger("other", ["shop"])
    async with estate.open() as sender:
        ids = {"x-github-delivery": "d1"}
        answers = [await sender.send(name, a_push(), ids) for name in ("hook", "other")]

    assert [one[0] for one in answers] == [202, 202]


async def test_the_same_one_is_noted_by_the_second_if_the_first_could_not(
    estate, a_push, monkeypatch
):
    gate = asyncio.Event()
    first: list[int] = []
    save = type(estate.store).save

    async def slow(self, *about, **more):
        if not first:
            first.append(1)
            await gate.wait()
            raise OSError("the disk is full")
        return await save(self, *about, **more)

    monkeypatch.setattr(type(estate.store), "save", slow)
    async with estate.open(serves=False) as sender:
        tasks = [asyncio.create_task(sender.send(body=a_push())) for _ in range(2)]
        async with asyncio.timeout(10):
            while not first:
                await asyncio.sleep(0.005)
        gate.set()
        answers = await asyncio.gather(*tasks)

    assert sorted(one[0] for one in answers) == [202, 503]


async def test_a_store_that_hangs_is_answered_in_time(estate, a_push, monkeypatch):
    monkeypatch.setattr(intake, "NOTE_SECONDS", 0.05)

    async def hang(*_about, **_more):
        await asyncio.Event().wait()

    async with estate.open(serves=False) as sender:
        with monkeypatch.context() as patched:
            patched.setattr(type(estate.store), "save", hang)
            first = await sender.send(body=a_push())
        again = await sender.send(body=a_push())

    assert (first[0], again[0]) == (503, 202)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{hook}/", 404),
        ("/{hook}", 404),
        ("//hooks//x", 404),
        ("/hooks/../healthz", 404),
        ("/hooks/%2e%2e/healthz", 404),
        ("/hooks/", 404),
        ("/hooks", 404),
        ("/healthz/", 404),
        ("{hook}?a=b", 202),
        ("{hook}%00", 404),
        ("{hook};x", 404),
        ("/hooks/%ff", 404),
        ("http://a{hook}", 404),
        ("*", 404),
    ],
)
async def test_only_the_address_itself_is_one(wire, a_push, path, status):
    assert await wire.send(a_push(), path=path.format(hook=wire.path)) == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_other_methods_learn_nothing_of_an_address(wire, method):
    known = await wire.talk(wire.request(b"", method=method))
    unknown = await wire.talk(wire.request(b"", method=method, path="/hooks/x"))

    def without_date(text):
        return [one for one in text.split(b"\r\n") if not one.startswith(b"date:")]

    assert without_date(known) == without_date(unknown)
    assert known.startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["X-Hub-Signature-256: sha256=00"], 403),
        (["Content-Type: text/plain"], 415),
        (["Content-Encoding: gzip"], 415),
        (["Content-Encoding: identity", "Content-Encoding: gzip"], 415),
        (["X-GITHUB-DELIVERY: d1"], 202),
        (["Upgrade: websocket", "Connection: upgrade"], 202),
        (["X-Text: \x1b[31m"], 202),
    ],
    ids=str,
)
async def test_a_header_that_stands_there_twice_is_not_chosen_from(wire, a_push, headers, status):
    assert await wire.send(a_push(), *headers) == status


async def test_a_body_in_pieces_is_read_whole(wire, a_push):
    body = a_push()
    head = wire.request(body, "Transfer-Encoding: chunked")
    pieces = [b"%x;ext=1\r\n%s\r\n" % (7, body[at : at + 7]) for at in range(0, len(body), 7)]
    pieces[-1] = b"%x\r\n%s\r\n" % (len(body[-(len(body) % 7) :]), body[-(len(body) % 7) :])
    answer = await wire.talk(head, *pieces, b"0\r\nX-Trailer: 1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 202")


async def test_a_length_that_is_a_lie_makes_no_second_request(wire, a_push):
    body = a_push()
    smuggled = wire.request(body, "Content-Length: 0", path="/hooks/x")
    head = wire.request(body, f"Content-Length: {len(body)}")
    answer = await wire.talk(head + body + smuggled)
    both = await wire.talk(
        wire.request(body, f"Content-Length: {len(body) + 5}", "Transfer-Encoding: chunked")
        + b"0\r\n\r\n"
    )

    assert answer.count(b"HTTP/1.1") == 1
    assert both[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403", b"")


async def test_who_asks_first_is_told_to_go_on_only_if_the_body_is_wanted(estate, a_push):
    async with estate.open(maxBody=1000) as sender:
        wire, body = Wire(sender), a_push()
        wanted = wire.request(body, "Expect: 100-continue", f"Content-Length: {len(body)}")
        unwanted = wire.request(body, "Expect: 100-continue", "Content-Length: 1001")
        first, second = await wire.talk(wanted, body), await wire.talk(unwanted)

    assert first.startswith(b"HTTP/1.1 100")
    assert b"HTTP/1.1 202" in first
    assert second.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("length", ["99999999999999999999999", "9" * 5000, "1e3", "+5", "0x5", "٣"])
async def test_a_length_that_is_none_is_refused(wire, length):
    answer = await wire.talk(wire.request(b"{}", f"Content-Length: {length}"))

    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413")


async def test_connections_that_say_nothing_keep_nobody_out(estate, a_push, monkeypatch):
    monkeypatch.setattr(HurriedProtocol, "most", 20)
    async with estate.open() as sender:
        place = Wire(sender).place
        idle = [await asyncio.open_connection(*place) for _ in range(60)]
        answers = [(await sender.send(body=a_push(new=f"{n:040x}")))[0] for n in range(1, 6)]
        for _reader, writer in idle:
            writer.close()

    assert answers == [202] * 5


async def test_large_bodies_share_their_room_and_small_ones_need_none(estate, monkeypatch):
    monkeypatch.setattr(room, "OWN_BYTES", 1000)
    monkeypatch.setattr(intake, "ROOM_BODIES", 2)
    async with estate.open(maxBody=10_000) as sender:
        wire = Wire(sender)
        head = wire.request(b"", "Content-Length: 9500") + b"x" * 9000
        held = [await asyncio.open_connection(*wire.place) for _ in range(2)]
        for _reader, writer in held:
            writer.write(head)
        async with asyncio.timeout(10):
            while sender.receiver.intake.room.used < 16_000:
                await asyncio.sleep(0.005)
        large = await sender.send(body=b'{"a": "' + b"x" * 9000 + b'"}')
        small = await sender.send(body=b"{}")
        for _reader, writer in held:
            writer.close()
        async with asyncio.timeout(10):
            while sender.receiver.intake.room.used:
                await asyncio.sleep(0.005)

    assert (large[0], small[0]) == (503, 202)
    assert "retry-after" in large[1]


async def test_a_secret_that_nobody_gives_keeps_no_known_sender_waiting(
    estate, a_push, monkeypatch
):
    from rollwright.webhooks import book

    monkeypatch.setattr(book, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(book, "REST_SECONDS", 0.0)
    gate = threading.Event()
    async with estate.open() as sender:
        written = book.Book._written

        def slow(self):
            gate.wait(20)
            return written(self)

        with monkeypatch.context() as patched:
            patched.setattr(book.Book, "_written", slow)
            known = [(await sender.send(body=a_push(new=f"{n:040x}")))[0] for n in range(1, 4)]
            gate.set()

    assert known == [202] * 3


async def test_two_parts_of_a_trigger_and_a_namesake_are_told_apart(estate, a_push):
    document = {
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "Trigger", "metadata": {"name": "hook"},
        "spec": {"rollouts": ["shop"], "when": [
            {"use": "webhook", "with": {"type": "github", "secret": {"env": "HOOK"}}},
            {"use": "webhook", "with": {"type": "gitlab", "secret": {"env": "HOOK"}}},
        ]},
    }  # fmt: skip
    (estate.folder / "rollouts" / "hook.trigger.yaml").write_text(json.dumps(document))
    estate.trigger("hook-1", ["shop"])
    async with estate.open() as sender:
        token = {"x-gitlab-token": "hook-secret"}
        body = {"object_kind": "push", "ref": "refs/heads/a", "project": {"id": 1}}
        first = await sender.send("hook", a_push())
        second = await sender.send("hook-1", json.dumps(body).encode(), token)
        faults = sender.service.declared.faults

    assert [first[0], second[0]] == [202, 202]
    assert any("'hook-1' is called as a part of 'hook'" in one for one in faults)


def test_what_is_put_off_is_put_off_no_more_by_what_comes_in():
    queue = Queue[int](places={Lane.SMOOTH: 1, Lane.TROUBLED: 1})
    queue.offer("a", 1, now=0, delay=30)
    for now in range(10, 60, 10):
        queue.offer("a", now, now=now, delay=50)
    turn = queue.take(51)

    assert turn is not None
    assert turn.payload == 50


async def test_nothing_that_is_told_makes_a_line_of_its_own(estate, a_push, tmp_path):
    log = tmp_path / "hooks.jsonl"
    async with estate.open(proxies=["127.0.0.0/8"]) as sender:
        wire, body = Wire(sender), a_push()
        evil = '"}{"outcome": "accepted"}\x1b[2J'
        names = ("X-GitHub-Delivery", "X-Forwarded-For", "Authorization")
        await wire.send(body, *(f"{name}: {evil}" for name in names), "X-Text: \xff\udcff"[:9])
        await wire.send(body, f"X-Forwarded-For: fe80::1%{evil}", secret="guessed")
    tell = AuditFile(log)
    for entry in estate.entries:
        tell(entry)
    lines = log.read_bytes().splitlines()

    assert [json.loads(one)["outcome"] for one in lines] == ["accepted", "forged"]
    assert not any(b < 0x20 for one in lines for b in one)
    assert [json.loads(one)["source"] for one in lines] == ["127.0.0.1", "fe80::1"]


async def test_a_log_that_nobody_reads_ends_no_delivery(estate, a_push):
    def broken(_entry):
        raise BrokenPipeError

    async with estate.open() as sender:
        sender.receiver.intake.tell = broken
        answer = await sender.send(body=a_push())

    assert answer[0] == 202


async def test_a_large_body_keeps_no_other_waiting_on_the_loop(estate, monkeypatch):
    where: list[bool] = []

    def told(*about):
        where.append(threading.current_thread() is threading.main_thread())
        return read_body(*about)

    monkeypatch.setattr("rollwright.triggers.webhook.reader.read_body", told)
    async with estate.open() as sender:
        await sender.send(body=b'{"a": "' + b"x" * 300_000 + b'"}')
        await sender.send(body=b"{}")

    assert where == [False, True]
