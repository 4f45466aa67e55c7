"""A git server with a login, and stores that keep their states on it."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from rollwright.stores.git.store import GitStore
from rollwright.testing.git_server import GitServer

KEY = "0123456789abcdef" * 4


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with GitServer(tmp_path_factory.mktemp("git-server")) as server:
        yield server


@pytest.fixture
def repository(server, request, _names=count(1)):  # noqa: B008  (one counter for the session)
    """The name of an empty repository on the server."""
    name = f"states-{next(_names)}"
    server.create(name)
    yield name
    server.gate = None


@pytest.fixture
def options(server, repository, tmp_path, monkeypatch):
    """What a site would write."""
    monkeypatch.setenv("GIT_STORE_PASSWORD", server.password)
    monkeypatch.setenv("GIT_STORE_KEY", KEY)
    return {
        "url": server.url(repository),
        "password": {"env": "GIT_STORE_PASSWORD"},
        "key": {"env": "GIT_STORE_KEY"},
        "cache": tmp_path / "cache",
    }


@pytest.fixture
def make(options):
    """Make a store; words change its options, ``cluster`` names its cluster."""

    def make(cluster="prod", **changes):
        chosen = {name: one for name, one in {**options, **changes}.items() if one is not None}
        return GitStore.model_validate(chosen).bind(SimpleNamespace(name=cluster))

    return make


@pytest.fixture
def store(make):
    return make()
