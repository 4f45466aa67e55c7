"""Our feedback sinks keep the contract of sinks."""

from __future__ import annotations

import asyncio
import socket
import threading
from datetime import timedelta

import pytest

from rollwright.errors import ClusterError
from rollwright.feedback.apprise import Apprise
from rollwright.feedback.azure import Azure
from rollwright.feedback.bitbucket import Bitbucket
from rollwright.feedback.events import Events
from rollwright.feedback.gitea import Gitea
from rollwright.feedback.github import GitHub
from rollwright.feedback.gitlab import GitLab
from rollwright.feedback.webhook import Webhook
from rollwright.plugins.registry import Registry
from rollwright.testing.contracts import FeedbackContract
from rollwright.testing.feedback_contract import COMMIT
from rollwright.testing.http import Reply, ScriptedServer

LONG = timedelta(seconds=60)
TOKEN = {"env": "TEST_FEEDBACK_TOKEN"}


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv(TOKEN["env"], "t0ken")


@pytest.fixture
async def server():
    async with ScriptedServer() as server:
        yield server


class OverHttp(FeedbackContract):
    path = "/hook"

    def make(self, url):
        return Webhook(url=f"{url}/hook", timeout=LONG)

    @pytest.fixture
    def options(self, server):
        server.on("POST", self.path, Reply(status=201))
        return self.make(server.url)

    @pytest.fixture
    def failing(self, server):
        server.on("POST", self.path, Reply(status=503, body=b"not now"))
        return self.make(server.url)

    @pytest.fixture
    def hanging(self):
        # Connections are taken by the system, and nobody answers.
        with socket.create_server(("127.0.0.1", 0)) as listening:
            yield self.make(f"http://127.0.0.1:{listening.getsockname()[1]}")

    @pytest.fixture
    def told(self, server):
        return lambda: len(server.requests)


class TestWebhook(OverHttp):
    pass


class TestGitHub(OverHttp):
    path = f"/repos/team/shop/statuses/{COMMIT}"

    def make(self, url):
        return GitHub(token=TOKEN, api=url, repository="team/shop", timeout=LONG)


class TestGitLab(OverHttp):
    path = f"/api/v4/projects/team%2Fshop/statuses/{COMMIT}"

    def make(self, url):
        return GitLab(token=TOKEN, url=url, project="team/shop", timeout=LONG)


class TestGitea(OverHttp):
    path = f"/api/v1/repos/team/shop/statuses/{COMMIT}"

    def make(self, url):
        return Gitea(token=TOKEN, api=url, repository="team/shop", timeout=LONG)


class TestBitbucket(OverHttp):
    path = f"/rest/build-status/1.0/commits/{COMMIT}"

    def make(self, url):
        return Bitbucket(token=TOKEN, url=url, repository="team/shop", timeout=LONG)


class TestAzure(OverHttp):
    path = f"/team/web/_apis/git/repositories/shop/commits/{COMMIT}/statuses"

    def make(self, url):
        return Azure(token=TOKEN, url=url, repository="team/web/shop", timeout=LONG)


class TestEvents(FeedbackContract):
    @pytest.fixture
    def options(self):
        return Events()

    @pytest.fixture
    def failing(self, cluster):
        cluster.fail("create", "Event", ClusterError("busy", status=503, retryable=True))
        return Events()

    @pytest.fixture
    def hanging(self, cluster, monkeypatch):
        async def never(_request):
            await asyncio.Event().wait()

        monkeypatch.setattr(cluster, "get", never)
        return Events()

    @pytest.fixture
    def told(self, cluster):
        return lambda: len(cluster.sent("create"))


# What Apprise imports warns of itself on this Python.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
class TestApprise(FeedbackContract):
    """Apprise sends JSON to an address; its other services have tests of their own."""

    @pytest.fixture
    def options(self, server, monkeypatch):
        server.on("POST", "/hook", Reply())
        return self.make(server, monkeypatch)

    @pytest.fixture
    def failing(self, server, monkeypatch):
        server.on("POST", "/hook", Reply(status=500))
        return self.make(server, monkeypatch)

    @pytest.fixture
    def hanging(self, monkeypatch):
        go = threading.Event()
        monkeypatch.setattr(Apprise, "_send", lambda _self, _feedback: go.wait(5))
        yield Apprise(url=[TOKEN])
        go.set()

    @pytest.fixture
    def told(self, server):
        return lambda: len(server.requests)

    def make(self, server, monkeypatch):
        monkeypatch.setenv(TOKEN["env"], f"json://{server.url.removeprefix('http://')}/hook")
        return Apprise(url=[TOKEN])


def test_every_built_in_sink_is_under_contract():
    known = ("apprise", "azure", "bitbucket", "events", "gitea", "github", "gitlab", "webhook")

    assert Registry().names("feedback") == known
