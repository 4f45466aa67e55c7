"""The worked example of a plugin: registered by site.toml, under the contract of actions."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from rollwright.engine.site import open_site
from rollwright.rollouts.report import Outcome
from rollwright.testing.action_contract import ActionContract, a_request
from rollwright.testing.fake import FakeCluster

ROOT = Path(__file__).resolve().parents[2]

WEB = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"},
}  # fmt: skip


def registry():
    return open_site(start=ROOT).registry


def smoke(**options):
    return registry().build("actions", "smoke", options)


@pytest.fixture
async def server():
    async def answer(request):
        return web.Response(text="all is ok", status=500 if request.path == "/bad" else 200)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield server


class TestSmoke(ActionContract):
    writes = False

    @pytest.fixture
    def action(self, server):
        return smoke(url=str(server.make_url("/health")), contains="ok")

    @pytest.fixture
    def failing(self, server):
        return smoke(url=str(server.make_url("/bad")), attempts=2, every="1ms")

    @pytest.fixture
    async def hanging(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            yield smoke(url=f"http://127.0.0.1:{mute.getsockname()[1]}/")


async def test_an_answer_without_the_word_is_no_success(server):
    action = smoke(url=str(server.make_url("/?token=abc")), contains="fine", attempts=1)
    result = await action.run(a_request(FakeCluster()))

    assert result.outcome is Outcome.FAILED
    assert "answered without 'fine'" in result.message
    assert "abc" not in result.message


@pytest.mark.parametrize(("objects", "outcome"), [([WEB], Outcome.SUCCEEDED), ([], Outcome.FAILED)])
async def test_an_object_can_be_looked_at(objects, outcome):
    target = {"apiVersion": "v1", "kind": "ConfigMap", "name": "web", "namespace": "shop"}
    action = smoke(object=target, attempts=1)
    result = await action.run(a_request(FakeCluster(objects)))

    assert result.outcome is outcome


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "file:///x"},
        {"url": "http://a", "object": {}},
        {"url": "http://a", "attempts": 0},
    ],
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises((ValidationError, ValueError)):
        smoke(**options)


def test_its_options_explain_themselves():
    [info] = [one for one in registry().listing() if one.name == "smoke"]
    properties = info.schema()["properties"]

    assert info.where == "tasks/smoke.py:Smoke"
    assert all("description" in one for one in properties.values())
