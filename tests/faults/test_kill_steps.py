"""``kill -9`` in the middle of each kind of step: what is finished does not run a second time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
from aiohttp import web

from rollwright.engine.operations import named_spec
from rollwright.engine.stepping.answers import leave_answer, waiting_questions
from rollwright.testing.sandbox import namespace_name

CLUSTER = run_path(str(Path(__file__).parents[1] / "cluster" / "conftest.py"))
Shop, Make = CLUSTER["Shop"], CLUSTER["Make"]
PATIENCE = 30

MARK = '#!/bin/sh\necho "$1" >> ran.log\n'
BLOCK = """#!/bin/sh
echo "$1" >> ran.log
n=0
while [ ! -e go ] && [ $n -lt 100 ]; do /bin/sleep 0.05; n=$((n+1)); done
"""
GO = {"path": "{.metadata.annotations.go}", "name": "go", "value": {"static": "yes"}}
COMPARES = {"fieldComparisons": {"expectedValues": [GO]}}


class Place:
    """One rollout in a namespace of its own, with programs that write down that they ran."""

    def __init__(self, folder, namespace, kubeconfig, kubectl):
        self.shop = Shop(folder, namespace, kubeconfig)
        self.shop.settle(locks={"use": "file", "path": str(folder / "locks")})
        with (folder / "site.toml").open("a") as site:
            site.write('\n[plugins]\ncommands = ["tools/*"]\n')
        (folder / "tools").mkdir()
        for name, text in (("mark", MARK), ("block", BLOCK)):
            (folder / "tools" / name).write_text(text)
            (folder / "tools" / name).chmod(0o755)
        self.folder, self.namespace, self._kubectl = folder, namespace, kubectl
        self.calls: list[str] = []
        self.url = ""

    @property
    def ran(self):
        log = self.folder / "ran.log"
        return log.read_text().split() if log.exists() else []

    def go(self):
        (self.folder / "go").touch()

    def kubectl(self, *words):
        return self._kubectl("-n", self.namespace, *words)

    def get(self, kind, *words):
        return json.loads(self.kubectl("get", kind, "-o", "json", *words))["items"]

    async def journal(self):
        state = await self.shop.state()
        return state.journal if state else None

    async def has_begun(self, name):
        journal = await self.journal()
        return journal is not None and any(one.step == name for one in journal.begun)

    async def has_done(self, name):
        journal = await self.journal()
        return journal is not None and any(one.step == name for one in journal.done)


def command(name, program="mark"):
    argv = [f"tools/{program}", name]
    return {"name": name, "action": {"use": "Command", "with": {"argv": argv}}}


def applied(body, **more):
    key = f"{body['kind'].lower()}-{body['metadata']['name']}.yaml"
    return {"name": "middle", "object": key, **more}


def suspended_job(name, **metadata):
    job = Make.job(name, suspend=True)
    return {**job, "metadata": {**job["metadata"], **metadata}}


def service(**spec):
    return Make.service("web", **spec)


def status_patch(status):
    return ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


READY = {
    "type": "Ready", "status": "True", "reason": "Test", "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A kind of step: how it is declared, when it is in the middle, what lets it end.

    Attributes:
        step: The step between two that are counted; ``None`` for a case of objects alone.
        objects: What is rendered.
        is_inside: Whether the run is in the middle of it.
        release: Lets it come to its end.
        ran: What the programs of the steps have written in the end.
    """

    name: str
    is_inside: Callable[[Place], Awaitable[bool]]
    release: Callable[[Place], Awaitable[object] | object]
    step: Callable[[Place], dict[str, Any]] | None = None
    objects: tuple[dict[str, Any], ...] = ()
    ran: tuple[str, ...] = ("before", "after")
    spec: dict[str, Any] = field(default_factory=dict)


def is_there(kind):
    async def inside(place):
        return bool(place.get(kind, "-l", "rollwright.dev/rollout"))

    return inside


def checked(name, body, *, release, inside=None, **checks):
    return Case(
        name=name,
        objects=(body,),
        step=lambda _place: applied(body, **checks),
        is_inside=inside or is_there(body["kind"]),
        release=release,
    )


def annotate(kind, name):
    return lambda place: place.kubectl("annotate", kind, name, "go=yes", "--field-manager=test")


def unsuspend(place):
    for job in place.get("job"):
        place.kubectl("patch", "job", job["metadata"]["name"], "-p", '{"spec":{"suspend":false}}')


async def is_asked(place):
    async with place.shop.open() as site:
        return bool(await waiting_questions(site, place.shop.load().spec))


async def approve(place):
    async with place.shop.open() as site:
        spec = named_spec(place.shop.name, "here")
        await leave_answer(site, spec, decision="approve", actor="ada", reason="")


async def has_job(place):
    return bool(place.get("job"))


async def has_called(place):
    return bool(place.calls)


def begun(step):
    return lambda place: place.has_begun(step)


def http_step(place):
    options = {"url": place.url, "method": "POST", "idempotent": True}
    return {"name": "middle", "action": {"use": "Http", "with": options}}


def hook(phase):
    return suspended_job("hook", annotations={"rollwright.dev/hook": phase})


CONFIG = Make.config("one")
STEPS = [
    Case(
        name="Command",
        step=lambda _place: command("middle", "block"),
        is_inside=lambda place: asyncio.sleep(0, "middle" in place.ran),
        release=lambda place: place.go(),
        ran=("before", "middle", "middle", "after"),  # it says so: a resumed run runs it again
    ),
    Case(
        name="Http",
        step=http_step,
        is_inside=has_called,
        release=lambda place: place.go(),
    ),
    Case(
        name="Pause",
        step=lambda _place: {
            "name": "middle",
            "action": {"use": "Pause", "with": {"duration": "2s"}},
        },
        is_inside=begun("g/middle"),
        release=lambda _place: None,
    ),
    Case(
        name="Pause until approval",
        step=lambda _place: {
            "name": "middle",
            "action": {"use": "Pause", "with": {"until": "approval"}},
        },
        is_inside=is_asked,
        release=approve,
    ),
    Case(
        name="Job",
        objects=(suspended_job("run"),),
        step=lambda _place: applied(suspended_job("run"), action="Job"),
        is_inside=has_job,
        release=unsuspend,
    ),
    Case(
        name="Wait",
        objects=(service(type="LoadBalancer"),),
        step=lambda _place: applied(service(), action="Wait"),
        is_inside=lambda place: place.has_done("g/before"),
        release=lambda place: (
            place.kubectl("create", "service", "loadbalancer", "web", "--tcp=80:80"),
            place.kubectl(
                "patch",
                "service",
                "web",
                *status_patch({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
            ),
        ),
    ),
    checked(
        "healthy",
        service(type="LoadBalancer"),
        success=["healthy"],
        release=lambda place: place.kubectl(
            "patch",
            "service",
            "web",
            *status_patch({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
        ),
    ),
    checked("fieldComparisons", CONFIG, success=[COMPARES], release=annotate("configmap", "one")),
    checked(
        "condition",
        service(),
        success=[{"condition": {"type": "Ready"}}],
        release=lambda place: place.kubectl(
            "patch", "service", "web", *status_patch({"conditions": [READY]})
        ),
    ),
    checked(
        "expression",
        CONFIG,
        success=[{"expression": {"expr": "has(object.metadata.annotations.go)"}}],
        release=annotate("configmap", "one"),
    ),
    checked(
        "JobOOMKilled",
        suspended_job("run"),
        success=[COMPARES],
        failure=["JobOOMKilled"],
        release=annotate("job", "run"),
    ),
    checked(
        "PodsRestarting",
        Make.deployment("web", replicas=0),
        success=[COMPARES],
        failure=["PodsRestarting"],
        release=annotate("deployment", "web"),
    ),
]


@pytest.fixture
async def place(tmp_path, sandbox, kubectl):
    namespace = namespace_name("steps")
    kubectl("create", "namespace", namespace)
    made = Place(tmp_path / "shop", namespace, sandbox.kubeconfig, kubectl)
    async with _server(made):
        yield made
    kubectl("delete", "namespace", namespace, "--wait=false")


class _server:  # noqa: N801  (reads as a function: async with)
    """A server that answers only once it may."""

    def __init__(self, place):
        self._place = place

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self._place.url = f"http://127.0.0.1:{port}/"

    async def __aexit__(self, *_exc):
        await self._runner.cleanup()

    async def _answer(self, request):
        self._place.calls.append(request.headers.get("Idempotency-Key", ""))
        for _ in range(100):
            if (self._place.folder / "go").exists():
                break
            await asyncio.sleep(0.05)
        return web.Response()


async def killed_inside(place, runner, is_inside):
    """Start a run and kill it once it is in the middle of the step."""
    running = asyncio.create_task(runner.run("rollout", place.folder))
    try:
        async with asyncio.timeout(PATIENCE):
            while not (runner.pid and await is_inside(place)):
                assert not running.done(), (await running).answer
                await asyncio.sleep(0.02)
    finally:
        if runner.pid:
            runner.kill()
    ended = await running
    assert ended.was_killed, ended.answer


async def released(place, release):
    done = release(place)
    if asyncio.iscoroutine(done):
        await done


async def resumed(place, runner, release):
    """Go on, and let the step come to its end while that run is at work."""
    running = asyncio.create_task(runner.run("rollout", place.folder))
    await released(place, release)
    try:
        return await asyncio.wait_for(asyncio.shield(running), 40)
    finally:
        if runner.pid:
            runner.kill()
            await running


def declare(place, case):
    place.shop.write(*case.objects)
    steps = [command("before"), case.step(place), command("after")]
    groups = [{"name": "g", "steps": steps}]
    place.shop.declare(groups=groups, rest="last", health={"timeout": "40s"}, **case.spec)


@pytest.mark.parametrize("case", STEPS, ids=lambda case: case.name)
async def test_a_step_that_was_killed_is_gone_on_with(case, place, runner):
    declare(place, case)
    await killed_inside(place, runner, case.is_inside)
    ended = await resumed(place, runner, case.release)

    assert ended.outcome == "succeeded", ended.answer
    assert place.ran == list(case.ran)
    assert len(set(place.calls)) <= 1, "a call that is sent again has the key of the first"
    assert len(place.get("job")) <= 1
    assert (await place.shop.state()).journal is None


@pytest.mark.parametrize("phase", ["pre-apply", "post-apply"])
async def test_a_hook_that_was_killed_is_gone_on_with(phase, place, runner):
    first = Make.config("first", key="h")
    first["metadata"]["annotations"] = {
        "rollwright.dev/hook": phase, "rollwright.dev/hook-weight": "-1",
    }  # fmt: skip
    place.shop.write(first, hook(phase), CONFIG)
    await killed_inside(place, runner, has_job)
    before = {one["metadata"]["name"]: one["metadata"]["uid"] for one in place.get("job,configmap")}
    ended = await resumed(place, runner, unsuspend)
    after = {one["metadata"]["name"]: one["metadata"]["uid"] for one in place.get("job,configmap")}

    assert ended.outcome == "succeeded", ended.answer
    assert {name: after[name] for name in ("first", "hook")} == {
        name: before[name] for name in ("first", "hook")
    }


async def test_a_step_for_a_rollback_that_was_killed_is_gone_on_with(place, runner):
    place.shop.write(CONFIG)
    await runner.run("rollout", place.folder)
    place.shop.write(Make.config("one", key="bad"))
    fails = {"name": "fail", "action": {"use": "Command", "with": {"argv": ["tools/none"]}}}
    back = [command("undo-1"), command("undo-2", "block"), command("undo-3")]
    steps = [command("before"), applied(CONFIG), fails]
    groups = [{"name": "g", "steps": steps, "onRollback": back}]
    place.shop.declare(groups=groups, onFailure="rollback")

    async def is_inside(place):
        return "undo-2" in place.ran

    await killed_inside(place, runner, is_inside)
    ended = await resumed(place, runner, Place.go)
    live = place.get("configmap", "--field-selector=metadata.name=one")[0]

    assert ended.answer["report"]["rollback"]["outcome"] == "succeeded", ended.answer
    assert place.ran == ["before", "undo-1", "undo-2", "undo-2", "undo-3"]
    assert live["data"] == {"key": "value"}
