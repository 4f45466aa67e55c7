"""Our actions keep the contract of actions."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rollwright.actions.command import Command
from rollwright.actions.http import Http
from rollwright.actions.job import Job
from rollwright.actions.pause import Pause
from rollwright.plugins.registry import Registry
from rollwright.rollouts.manifest import Manifest, Origin, ref_of
from rollwright.testing.action_contract import a_request
from rollwright.testing.contracts import ActionContract
from rollwright.testing.fake import FakeCluster

COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1}


def a_job(name):
    body = {
        "apiVersion": "batch/v1", "kind": "Job", "spec": {},
        "metadata": {"name": name, "namespace": "shop"},
    }  # fmt: skip
    return Manifest(body=body, ref=ref_of(body), key="job.yaml", origin=Origin(file="job.yaml"))


class QuickCluster(FakeCluster):
    """Jobs are done as soon as they are created, but for those that say otherwise."""

    async def create(self, body):
        created = await super().create(body)
        if "slow" in created.ref.name:
            return created
        return self.put({**self.objects[created.ref], "status": COMPLETE})


class TestJob(ActionContract):
    @pytest.fixture
    def cluster(self):
        return QuickCluster()

    @pytest.fixture
    def action(self):
        return Job()

    @pytest.fixture
    def action_request(self, cluster):
        return a_request(cluster, manifests=(a_job("migrate"),))

    @pytest.fixture
    def failing(self, cluster):
        cluster.put(a_job("migrate").body)
        return Job(name="same")

    @pytest.fixture
    def hanging(self):
        return Job()

    @pytest.fixture
    def hanging_request(self, action_request):
        return replace(action_request, manifests=(a_job("slow"),))


class TestPause(ActionContract):
    writes = False

    @pytest.fixture
    def action(self):
        return Pause(duration="1ms")

    @pytest.fixture
    def failing(self):
        return Pause(until="approval")

    @pytest.fixture
    def hanging(self):
        return Pause(duration="1h")


class TestHttp(ActionContract):
    is_repeatable = True

    @pytest.fixture
    def heard(self):
        return []

    @pytest.fixture
    def effects(self, heard):
        return lambda: len(heard)

    @pytest.fixture
    async def server(self, heard):
        async def answer(request):
            heard.append(request.path)
            return web.Response(status=500 if request.path == "/bad" else 200)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        async with TestServer(app) as server:
            yield server

    @pytest.fixture
    def action(self, server):
        return Http(url=str(server.make_url("/good")))

    @pytest.fixture
    def failing(self, server):
        return Http(url=str(server.make_url("/bad")))

    @pytest.fixture
    async def hanging(self):
        """An address that takes connections and says nothing."""
        with socket.create_server(("127.0.0.1", 0)) as mute:
            yield Http(url=f"http://127.0.0.1:{mute.getsockname()[1]}/")


class TestCommand(ActionContract):
    is_repeatable = True

    @pytest.fixture
    def site(self, tmp_path):
        (tmp_path / "bin").mkdir()
        for name, text in {"good": "echo ran >> ran", "bad": "exit 1", "slow": "sleep 100"}.items():
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        return tmp_path

    @pytest.fixture
    def effects(self, site):
        ran = site / "ran"
        return lambda: len(ran.read_text().splitlines()) if ran.is_file() else 0

    @pytest.fixture
    def action_request(self, site, cluster):
        return a_request(cluster, site=site, commands=("bin/*",))

    @pytest.fixture
    def action(self):
        return Command(argv=["bin/good"])

    @pytest.fixture
    def failing(self):
        return Command(argv=["bin/bad"])

    @pytest.fixture
    def hanging(self):
        return Command(argv=["bin/slow"])


@pytest.mark.parametrize("name", ["Command", "Http", "Job", "Pause"])
def test_each_is_registered_with_a_schema_that_explains_every_option(name):
    schema = next(one for one in Registry().listing() if one.name == name).schema()

    assert schema["additionalProperties"] is False
    assert all(_has_words(schema, one) for one in schema["properties"].values())


def _has_words(schema, one):
    return "description" in one or "$ref" in one
