"""A push to a git server with a login becomes one rollout of a real cluster: told, found, or both."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rollwright.engine.listening.service import make_service
from rollwright.engine.site import open_site
from rollwright.engine.site_file import WebhooksSection
from rollwright.testing.git_server import GitServer
from rollwright.webhooks.server import receiving

SECRET = "signed-by-the-forge"
HOOK = f"""#!{sys.executable}
# What a forge does after a push: it tells, signed, and waits for no run.
import hashlib, hmac, json, sys, urllib.request, uuid
address, url = PLACE
for line in sys.stdin:
    before, after, ref = line.split()
    body = json.dumps({{
        "ref": ref, "before": before, "after": after, "commits": [],
        "repository": {{"clone_url": url, "default_branch": "main"}}, "pusher": {{"name": "ada"}},
    }}).encode()
    digest = hmac.new(b"{SECRET}", body, hashlib.sha256).hexdigest()
    headers = {{
        "X-GitHub-Event": "push", "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + digest, "Content-Type": "application/json",
    }}
    request = urllib.request.Request(address, body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202, answer.status
"""
NEVER, SOON = "1h", "1s"


class Forge:
    """A repository behind a login, and somebody's tree of it."""

    def __init__(self, folder: Path, server: GitServer) -> None:
        self.server, self.tree, self.home = server, folder / "tree", folder / "home"
        self.home.mkdir()
        self.url = server.create("shop")
        server.git("shop", "config", "uploadpack.allowFilter", "true")
        store = self.home / ".git-credentials"
        login = f"http://git:{server.password}@127.0.0.1:{server.port}"
        store.write_text(login.replace("ä", "%C3%A4") + "\n")
        self.git("config", "--global", "credential.helper", "store")
        self.git("config", "--global", "user.name", "Ada")
        self.git("config", "--global", "user.email", "ada@example.com")
        self.git("clone", "--quiet", self.url, str(self.tree))

    def git(self, *words):
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "GIT_TERMINAL_PROMPT": "0",
        }  # fmt: skip
        done = subprocess.run(
            ["git", *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def tells(self, address):
        """Tell the receiver of every push from now on."""
        hooks = self.server.path("shop") / "hooks"
        hooks.mkdir(exist_ok=True)
        hook = hooks / "post-receive"
        hook.write_text(HOOK.replace("PLACE", repr((address, self.url))))
        hook.chmod(0o755)

    def push(self, value):
        body = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"},
            "data": {"value": value},
        }  # fmt: skip
        (self.tree / "shop.yaml").write_text(json.dumps(body))
        self.git("-C", str(self.tree), "add", "shop.yaml")
        self.git("-C", str(self.tree), "commit", "--quiet", "-m", f"value {value}")
        self.git("-C", str(self.tree), "push", "--quiet", "origin", "HEAD:main")

    @property
    def looks(self):
        """How often somebody asked where the branches are."""
        return sum("info/refs" in one and "upload-pack" in one for one in self.server.requests)


@pytest.fixture
def forge(tmp_path, monkeypatch):
    with GitServer(tmp_path / "server") as server:
        monkeypatch.setenv("FORGE_PASSWORD", server.password)
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield Forge(tmp_path, server)


class Listening:
    """A site that listens, and how its runs ended."""

    def __init__(self, shop, forge):
        self.shop, self.forge, self.ended = shop, forge, []
        self.service: Any = None

    def declare(self, interval):
        login = {"username": "git", "token": {"env": "FORGE_PASSWORD"}}
        source = {"url": self.forge.url, "ref": "main", "credentials": login}
        hook = {"type": "github", "secret": {"env": "HOOK_SECRET"}}
        self.shop.declare(
            source={"use": "git", "with": source},
            triggers=[
                {"name": "told", "use": "webhook", "with": hook},
                {"name": "looked", "use": "git", "with": {"interval": interval}},
            ],
        )
        site = self.shop.folder / "site.toml"
        if "[rollouts]" not in site.read_text():
            site.write_text(f'{site.read_text()}\n[rollouts]\npaths = ["."]\n')

    @asynccontextmanager
    async def serving(self):
        """Listen and receive while inside; give the address that the forge tells."""
        async with open_site(start=self.shop.folder) as site:
            told = lambda _pending, how, _seconds: self.ended.append(how)  # noqa: E731
            self.service, stop = make_service(site, ended=told), asyncio.Event()
            settings = WebhooksSection(port=0)
            async with receiving(self.service, settings, stop=stop) as receiver:
                serving = asyncio.create_task(self.service.serve(stop))
                try:
                    yield receiver.hooks[0][1]
                finally:
                    stop.set()
                    async with asyncio.timeout(60):
                        await serving

    async def until(self, is_so):
        async with asyncio.timeout(60):
            while not await is_so():
                await asyncio.sleep(0.05)

    async def until_quiet(self, looks=0):
        """Wait until nothing is left to run, and somebody has looked so often since."""
        before = self.forge.looks

        async def is_so():
            return self.forge.looks >= before + looks and self.service.dispatcher.is_idle

        await self.until(is_so)

    async def until_live(self, value):
        async def is_so():
            live = await self.shop.get("ConfigMap", "shop")
            return live is not None and live.body["data"]["value"] == value

        await self.until(is_so)

    async def revisions(self):
        """How many rollouts there were, of those that had something to do."""
        state = await self.shop.state()
        return len(state.revisions) if state else 0


@pytest.fixture
def listening(shop, forge):
    return Listening(shop, forge)


@pytest.mark.parametrize(
    ("is_told", "interval"),
    [(True, NEVER), (False, SOON), (True, SOON)],
    ids=["hook", "poll", "both"],
)
async def test_each_push_is_one_rollout(listening, forge, is_told, interval):
    listening.declare(interval)
    await asyncio.to_thread(forge.push, "0")
    async with listening.serving() as address:
        await listening.until_live("0")  # the first look finds what is there
        if is_told:
            forge.tells(address)
        for value in ("1", "2", "3"):
            await asyncio.to_thread(forge.push, value)
            await listening.until_live(value)
            await listening.until_quiet(looks=0 if interval == NEVER else 2)

    assert await listening.revisions() == 4
    assert {one.outcome for one in listening.ended} == {"succeeded"}


async def test_a_push_that_nobody_told_while_nobody_listened_is_one_rollout(listening, forge):
    listening.declare(SOON)
    await asyncio.to_thread(forge.push, "0")
    async with listening.serving():
        await listening.until_live("0")
        await listening.until_quiet()
    await asyncio.to_thread(forge.push, "1")
    async with listening.serving():
        await listening.until_live("1")
        await listening.until_quiet(looks=2)

    assert await listening.revisions() == 2
