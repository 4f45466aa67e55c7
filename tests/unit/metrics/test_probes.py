"""Others look: at the metrics, whether we live, whether we are ready, and why not."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import httpx
import pytest
from starlette.applications import Starlette

from rollwright.engine.site import open_site
from rollwright.errors import Unreachable
from rollwright.webhooks.audit import Entry
from rollwright.webhooks.book import Book
from rollwright.webhooks.intake import Intake
from rollwright.webhooks.probes import count_deliveries, probe_routes, probed
from rollwright.webhooks.rates import Rates


@contextlib.asynccontextmanager
async def looking(service, metrics):
    app = Starlette(routes=probe_routes(service, metrics))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        yield client


@contextlib.asynccontextmanager
async def serving(service):
    """Let a service listen until the test has looked."""
    stop = asyncio.Event()
    task = asyncio.create_task(service.serve(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await task


async def until(ask, holds):
    for _ in range(400):
        answer = await ask()
        if holds(answer):
            return answer
        await asyncio.sleep(0.01)
    return answer


@pytest.fixture
def hourly(estate):
    estate.declare("shop", use="interval", options={"every": "1h"})
    return estate


def unhurried(monkeypatch):
    monkeypatch.setattr("rollwright.engine.listening.readiness.FRESH_SECONDS", 0.0)


async def test_nobody_lives_before_runs_are_made(hourly):
    async with looking(hourly.service(), hourly.metrics) as client:
        answer = await client.get("/healthz")

    assert answer.status_code == 503


async def test_it_lives_while_it_listens(hourly):
    service = hourly.service()
    async with serving(service), looking(service, hourly.metrics) as client:
        answer = await until(lambda: client.get("/healthz"), lambda one: one.status_code == 200)

    assert answer.text == "ok"


async def test_it_is_ready_once_every_trigger_is_listened_to(hourly, monkeypatch):
    unhurried(monkeypatch)
    service = hourly.service()
    async with serving(service), looking(service, hourly.metrics) as client:
        answer = await until(lambda: client.get("/readyz"), lambda one: one.status_code == 200)

    assert answer.json()["reasons"] == []
    assert {one["subject"] for one in answer.json()["checks"]} == {
        "cluster current context",
        "store of current context",
        "locks of current context",
        "trigger shop-go",
    }


async def test_a_trigger_that_nobody_listens_to_is_a_reason(hourly):
    async with looking(hourly.service(), hourly.metrics) as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["trigger shop-go: nobody listens"]


async def test_a_trigger_that_another_process_listens_to_is_none(hourly, monkeypatch):
    unhurried(monkeypatch)
    async with serving(hourly.service()):
        hourly.metrics = type(hourly.metrics)()
        async with looking(hourly.service(), hourly.metrics) as client:
            answer = await until(lambda: client.get("/readyz"), lambda one: one.status_code == 200)

    assert answer.status_code == 200


async def test_a_one_off_that_fired_is_not_missed(hourly, monkeypatch):
    unhurried(monkeypatch)
    hourly.declare("once")
    service = hourly.service()
    async with serving(service), looking(service, hourly.metrics) as client:
        await until(
            lambda: asyncio.sleep(0, service.listening.ended), lambda ended: "once-go" in ended
        )
        answer = await until(lambda: client.get("/readyz"), lambda one: one.status_code == 200)

    assert answer.json()["ready"]


async def test_a_cluster_that_does_not_answer_is_a_reason(hourly):
    hourly.cluster.fail("get", "Namespace", Unreachable("the API server is away"))
    async with looking(hourly.service(), hourly.metrics) as client:
        answer = await client.get("/readyz")

    assert "cluster current context: the API server is away" in answer.json()["reasons"]


async def test_who_stops_is_not_ready(hourly):
    service = hourly.service()
    service.site.stop.set()
    async with looking(service, hourly.metrics) as client:
        answer = await client.get("/readyz")

    assert answer.json()["reasons"][0] == "stopping"


async def test_many_who_ask_cost_one_look(hourly):
    async with looking(hourly.service(), hourly.metrics) as client:
        await asyncio.gather(*(client.get("/readyz") for _ in range(10)))

    assert hourly.cluster.calls["get"] == 1


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/plain", "text/plain"),
        ("*/*", "text/plain"),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text"),
    ],
)
async def test_metrics_come_as_they_are_asked_for(hourly, accept, kind):
    async with looking(hourly.service(), hourly.metrics) as client:
        answer = await client.get("/metrics", headers={"accept": accept})

    assert answer.headers["content-type"].startswith(kind)
    assert "rollwright_queue_depth" in answer.text


async def test_a_port_is_opened_and_closed_again(hourly):
    service = hourly.service()
    async with probed(service, hourly.metrics, port=0) as address, httpx.AsyncClient() as client:
        answer = await client.get(f"{address}/metrics")

    assert (answer.status_code, address.startswith("http://127.0.0.1:")) == (200, True)
    with socket.socket() as probe, pytest.raises(OSError, match="refused"):
        probe.connect(("127.0.0.1", int(address.rpartition(":")[2])))


async def test_a_port_that_is_taken_is_told(hourly):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unreachable, match="cannot show metrics"):
            async with probed(hourly.service(), hourly.metrics, port=taken.getsockname()[1]):
                pass


def test_nobody_looks_unless_it_is_said(tmp_path):
    (tmp_path / "site.toml").write_text("")

    assert open_site(start=tmp_path).loaded.file.metrics.port is None


def test_the_site_may_say_where(tmp_path):
    (tmp_path / "site.toml").write_text("[metrics]\nport = 9090\n")

    assert open_site(start=tmp_path).loaded.file.metrics.port == 9090


async def test_deliveries_are_counted_and_still_told(hourly):
    heard: list[Entry] = []
    listening = hourly.service().listening
    intake = Intake(
        listening=listening, book=Book(listening=listening),
        rates=Rates(per_minute=1.0, burst=1), max_body=1, tell=heard.append,
    )  # fmt: skip
    count_deliveries(intake, hourly.meter)
    intake.tell(Entry(outcome="unknown"))

    name = "rollwright_webhook_deliveries_total"
    assert hourly.value(name, kind="", outcome="unknown") == 1
    assert len(heard) == 1
