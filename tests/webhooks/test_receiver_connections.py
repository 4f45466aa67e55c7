"""Senders that are slow, endless or malformed, byte by byte."""

from __future__ import annotations

import asyncio

import pytest

from rollwright.webhooks import intake
from rollwright.webhooks.connections import HurriedProtocol


@pytest.fixture
def talk():
    """Send bytes to the receiver; return what it answers until it hangs up."""

    async def talk(sender, *parts):
        host, _, port = sender.receiver.url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
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

    return talk


async def test_a_head_that_does_not_come_is_not_waited_for(estate, talk, monkeypatch):
    monkeypatch.setattr(HurriedProtocol, "head_seconds", 0.05)
    async with estate.open() as sender:
        nothing = await talk(sender)
        begun = await talk(sender, b"POST /hooks/x HTTP/1.1\r\nhost: a\r\n")

    assert (nothing, begun) == (b"", b"")


async def test_a_body_that_does_not_come_is_not_waited_for(estate, talk, monkeypatch):
    monkeypatch.setattr(intake, "BODY_SECONDS", 0.05)
    async with estate.open() as sender:
        path = sender.hooks["hook"].removeprefix(sender.receiver.url)
        head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nx".encode()
        answer = await talk(sender, head)

    assert answer.startswith(b"HTTP/1.1 408")
    assert estate.outcomes == {"too slow": 1}


async def test_one_that_breaks_off_starts_nothing(estate, monkeypatch):
    estate.trigger("open", ["shop"], type="generic")
    async with estate.open() as sender:
        host, _, port = sender.receiver.url.removeprefix("http://").rpartition(":")
        path = sender.hooks["open"].removeprefix(sender.receiver.url)
        _reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        async with asyncio.timeout(10):
            while not estate.entries:
                await asyncio.sleep(0.005)

    assert estate.outcomes == {"broken off": 1}
    assert not estate.runner.runs


async def test_a_head_that_never_ends_is_refused(estate, talk):
    async with estate.open() as sender:
        lines = b"".join(b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(200))
        answer = await talk(sender, b"POST /hooks/x HTTP/1.1\r\nhost: a\r\n", lines)

    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert not estate.entries


@pytest.mark.parametrize(
    "text",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /hooks/x HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /hooks/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"POST /hooks/\xff HTTP/1.1\r\nhost: a\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused(estate, talk, text):
    async with estate.open() as sender:
        answer = await talk(sender, text)

    assert not answer or answer.startswith(b"HTTP/1.1 4")


async def test_a_connection_serves_several_deliveries(estate, a_push, talk):
    async with estate.open() as sender:
        for number in range(1, 4):
            assert (await sender.send(body=a_push(new=f"{number:040x}")))[0] == 202
        await sender.idle()

    assert estate.outcomes == {"accepted": 3}
