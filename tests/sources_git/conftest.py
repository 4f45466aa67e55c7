"""A git server with a login and a repository on it, and the source that reads it."""

from __future__ import annotations

from itertools import count

import pytest

from rollwright.plugins.contracts import FetchRequest
from rollwright.sources.git.source import Git
from rollwright.testing.git_server import GitServer

TOKEN = "SOURCE_GIT_TOKEN"
WEB = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"


class Repository:
    """A repository on the server, changed beside it."""

    def __init__(self, server: GitServer, name: str) -> None:
        self.server, self.name = server, name
        self.url = server.create(name)
        self._marks = count(1)
        # What forges allow: partial clones.
        self.git("config", "uploadpack.allowFilter", "true")

    def git(self, *arguments: str, feed: bytes = b"") -> str:
        return self.server.git(self.name, *arguments, feed=feed)

    def commit(self, files, *, branch="main", parent=None, modes=None):
        """Make a commit of the files alone, whatever was there; return its id."""
        modes = modes or {}
        lines = [f"commit refs/heads/{branch}", f"mark :{next(self._marks)}"]
        lines += ["committer Test <test@localhost> 1700000000 +0000", "data 1", "x"]
        if parent is None and self.has(branch):
            parent = f"refs/heads/{branch}^0"
        text = "\n".join([*lines, *([f"from {parent}"] if parent else []), "deleteall", ""])
        stream = text.encode()
        for path, content in files.items():
            mode = modes.get(path, "100644")
            if mode == "160000":
                stream += f"M 160000 {content.decode()} {path}\n".encode()
                continue
            stream += f"M {mode} inline {path}\ndata {len(content)}\n".encode() + content + b"\n"
        self.git("fast-import", "--quiet", "--force", feed=stream)
        return self.git("rev-parse", f"refs/heads/{branch}")

    def has(self, branch):
        return bool(self.git("for-each-ref", f"refs/heads/{branch}"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with GitServer(tmp_path_factory.mktemp("git-server")) as server:
        yield server


@pytest.fixture
def repository(server, _names=count(1)):  # noqa: B008  (one counter for the session)
    repository = Repository(server, f"source-{next(_names)}")
    yield repository
    server.gate = None


@pytest.fixture
def make(repository, server, tmp_path, monkeypatch):
    """Make a source; words are its options."""
    monkeypatch.setenv(TOKEN, server.password)

    def make(**options):
        given = {
            "url": repository.url,
            "credentials": {"token": {"env": TOKEN}},
            "cache": tmp_path / "cache",
            **options,
        }
        return Git.model_validate(given)

    return make


@pytest.fixture
def request_of(tmp_path):
    def request_of(revision="", **more):
        return FetchRequest(base=tmp_path, revision=revision, **more)

    return request_of


@pytest.fixture
def fetch(make, request_of):
    """Fetch with a source of some options."""

    async def fetch(revision="", **options):
        return await make(**options).fetch(request_of(revision))

    return fetch


@pytest.fixture
def asked(server):
    """What was asked of the server since the test began, or since the last time."""
    seen = [len(server.requests)]

    def asked():
        since, seen[0] = server.requests[seen[0] :], len(server.requests)
        return since

    return asked
