"""From a push to a git server to a run: told by a hook, or found by a look."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import count

import pytest

from rollwright.engine.listening.service import make_service
from rollwright.testing.git_server import GitServer
from rollwright.triggers.git import Git

OBJECT = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: shop}\ndata: {k: %s}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with GitServer(tmp_path_factory.mktemp("hook-server")) as server:
        yield server


class Repository:
    """A repository on the server that is pushed to."""

    def __init__(self, server, name):
        self.server, self.name, self.url = server, name, server.create(name)
        self._marks = count(1)
        server.git(name, "config", "uploadpack.allowFilter", "true")

    def push(self, **files):
        stream = [f"commit refs/heads/main\nmark :{next(self._marks)}\n".encode()]
        stream.append(b"committer T <t@localhost> 1700000000 +0000\ndata 1\nx\n")
        if self.server.git(self.name, "for-each-ref", "refs/heads/main"):
            stream.append(b"from refs/heads/main^0\n")
        for path, content in files.items():
            name = path.replace("__", "/") + ".yaml"
            stream.append(
                f"M 100644 inline {name}\ndata {len(content)}\n".encode() + content + b"\n"
            )
        self.server.git(self.name, "fast-import", "--quiet", "--force", feed=b"".join(stream))
        return self.head

    @property
    def head(self):
        return self.server.git(self.name, "rev-parse", "refs/heads/main")

    def asked(self):
        return sum("info/refs" in one for one in self.server.requests)


@pytest.fixture
def repository(server, estate, monkeypatch, tmp_path, _names=count(1)):  # noqa: B008  (one counter)
    monkeypatch.setenv("GIT_TOKEN", server.password)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(Git, "_wait", lambda _self, _failures: timedelta(seconds=0.05))
    repository = Repository(server, f"manifests-{next(_names)}")
    for name in ("web", "db"):
        given = {
            "url": repository.url, "ref": "main", "path": f"apps/{name}",
            "credentials": {"token": {"env": "GIT_TOKEN"}},
        }  # fmt: skip
        estate.declare(name, source={"use": "git", "with": given})
    repository.push(apps__web__a=OBJECT % (b"web", b"one"), apps__db__a=OBJECT % (b"db", b"one"))
    return repository


@pytest.fixture
def serve(estate):
    """Open the site with its own runs, and give who sends."""

    def serve():
        site = estate.service().site
        told = lambda pending, how, _seconds: estate.ended.append((pending.instance, how))  # noqa: E731
        return estate.open(service=make_service(site, ended=told))

    return serve


async def until(is_so):
    async with asyncio.timeout(40):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_a_hook_makes_one_run_of_the_rollout_that_reads_what_changed(
    estate, repository, serve, a_push
):
    estate.trigger("hook", ["web", "db"])
    async with serve() as sender:
        first = await sender.send(body=a_push("shop/manifests", url=repository.url))
        await sender.idle()
        old = repository.head
        docs = repository.push(docs__a=b"x: y")
        read = [{"added": ["docs/a.yaml"], "modified": [], "removed": []}]
        body = a_push("x/y", url=repository.url, before=old, new=docs, commits=read)
        nothing = await sender.send(body=body)
        old, new = docs, repository.push(apps__web__a=OBJECT % (b"web", b"two"))
        commits = [{"added": [], "modified": ["apps/web/a.yaml"], "removed": []}]
        body = a_push("x/y", url=repository.url, before=old, new=new, commits=commits)
        second = await sender.send(body=body)
        elsewhere = await sender.send(body=a_push("x/y", url="https://github.com/x/y"))
        branch = await sender.send(body=a_push("x", url=repository.url, ref="refs/heads/other"))
        await sender.idle()
    runs = [(name, how.outcome) for name, how in estate.ended]

    assert [one[0] for one in (first, nothing, second, elsewhere, branch)] == [202] * 5
    assert sorted(runs) == [("db", "succeeded"), ("web", "succeeded"), ("web", "succeeded")]
    assert [one.outcome for one in estate.entries] == [
        "accepted", "ignored", "accepted", "ignored", "ignored",
    ]  # fmt: skip
    assert [(one.event, one.reason) for one in estate.entries if one.outcome == "ignored"] == [
        ("push", "no rollout reads what changed"), ("push", "other repository"),
        ("push", "other ref"),
    ]  # fmt: skip


async def test_a_hook_that_was_lost_costs_one_look(estate, repository, serve):
    estate.trigger("poll", ["web", "db"], use="git")
    async with serve() as sender:
        await until(lambda: len(estate.ended) == 2)
        repository.push(apps__db__a=OBJECT % (b"db", b"two"))
        await until(lambda: len(estate.ended) == 3)
        asked = repository.asked()
        await until(lambda: repository.asked() > asked + 3)
        await sender.idle()
    runs = [(name, how.outcome) for name, how in estate.ended]

    assert sorted(runs[:2]) == [("db", "succeeded"), ("web", "succeeded")]
    assert runs[2:] == [("db", "succeeded")]


async def test_a_look_after_a_hook_finds_nothing_to_do(estate, repository, serve, a_push):
    estate.trigger("poll", ["web"], use="git")
    estate.trigger("hook", ["web"])
    async with serve() as sender:
        await until(lambda: estate.ended)
        new = repository.push(apps__web__a=OBJECT % (b"web", b"two"))
        await sender.send(body=a_push("x/y", url=repository.url, new=new))
        await until(lambda: len(estate.ended) >= 2)
        asked = repository.asked()
        await until(lambda: repository.asked() > asked + 3)
        await sender.idle()
    revisions = (await estate.store.load("web")).revisions

    assert {how.outcome for _, how in estate.ended} <= {"succeeded", "superseded"}
    assert [one.source.rpartition(":")[2] for one in revisions][1:] == [new]


async def test_looks_ask_once_for_all_rollouts_of_a_ref(estate, repository, serve):
    estate.trigger("poll", ["web", "db"], use="git")
    async with serve() as sender:
        await until(lambda: len(estate.ended) == 2)
        await sender.idle()
        listening = sender.service.listening
        places = {listening.sources.place(name) for name in ("web", "db")}

    assert len(places) == 1


async def test_what_no_rollout_reads_starts_nothing_however_often_it_changes(
    estate, repository, serve
):
    estate.trigger("poll", ["web", "db"], use="git")
    async with serve() as sender:
        await until(lambda: len(estate.ended) == 2)
        for number in range(3):
            repository.push(docs__a=b"x: %d" % number)
            asked = repository.asked()
            await until(lambda asked=asked: repository.asked() > asked + 3)
        await sender.idle()

    assert len(estate.ended) == 2


async def test_a_base_that_a_rollout_names_outside_its_folder_counts(estate, repository, serve):
    repository.push(
        apps__web__b=b"# see ../base\n" + OBJECT % (b"b", b"one"), apps__base__a=b"x: 1"
    )
    estate.trigger("poll", ["web", "db"], use="git")
    async with serve() as sender:
        await until(lambda: len(estate.ended) == 2)
        repository.push(apps__base__a=b"x: 2")
        await until(lambda: len(estate.ended) == 3)
        await sender.idle()

    assert [name for name, _ in estate.ended[2:]] == ["web"]
