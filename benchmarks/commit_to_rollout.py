"""``python -m benchmarks.commit_to_rollout``: the seconds from a commit to the finished rollout.

Everything is real and on this machine: a git repository, the receiver of deliveries or a look at
the repository now and then, the queue, a control plane, and for the runner ``prefect`` a server
with a worker. Each stage is timed at its end; the table has the median of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Literal
from uuid import uuid4

import orjson

from benchmarks.tables import columns
from rollwright import sandbox
from rollwright.engine.listening.pending import Pending
from rollwright.engine.listening.running import Ended
from rollwright.engine.listening.service import Service, make_service
from rollwright.engine.progress import Applied, Listener, Progress, StageBegan
from rollwright.engine.site import open_site

ROUNDS = 5
SECRET = "benchmark-of-deliveries"  # noqa: S105  (of a receiver that lives as long as a round)
VARIABLE = "ROLLWRIGHT_TEST_HOOK_SECRET"
DEPLOYMENT = "rollout/rollout"
PATIENCE_SECONDS = 180
Way = Literal["webhook", "git"]
Where = Literal["local", "prefect"]

ROLLOUT = {
    "apiVersion": "rollwright.dev/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "shop"},
}


@dataclass(slots=True)
class Round:
    """The instants of one round, each by the stage that ends there."""

    instants: dict[str, float] = field(default_factory=dict)

    def note(self, stage: str, at: float | None = None) -> None:
        """Note that a stage has ended; the first time counts."""
        self.instants.setdefault(stage, datetime.now(UTC).timestamp() if at is None else at)

    def stages(self) -> dict[str, float]:
        """Return the seconds of each stage, in order, and of all."""
        marks = sorted(self.instants.items(), key=lambda one: one[1])
        found = {later[0]: later[1] - earlier[1] for earlier, later in pairwise(marks)}
        return {**found, "in all": marks[-1][1] - marks[0][1]}


@dataclass(slots=True, kw_only=True)
class Estate:
    """A site over a repository, and what is measured of it."""

    folder: Path
    now: Round = field(default_factory=Round)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    outcome: str = ""

    @property
    def repository(self) -> Path:
        """The bare repository that commits are pushed to."""
        return self.folder / "shop.git"

    def declare(self, kubeconfig: Path, namespace: str, way: Way) -> None:
        """Write the site and its rollout."""
        places = f'[stores.default]\nuse = "file"\nwith = {{path = "{self.folder / "state"}"}}\n'
        places += f'[locks.default]\nuse = "file"\nwith = {{path = "{self.folder / "locks"}"}}\n'
        self.folder.joinpath("site.toml").write_text(
            f'[site]\nname = "benchmark"\n[clusters.here]\nkubeconfig = "{kubeconfig}"\n{places}'
            f'[sources]\nrepositories = ["{self.repository}"]\n[webhooks]\nport = 0\n'
            f'audit = "deliveries.log"\n'
        )
        hook = {"type": "generic-hmac", "secret": {"env": VARIABLE}}
        use = {"use": "webhook", "with": hook}
        if way == "git":
            use = {"use": "git", "with": {"interval": "5s"}}
        spec = {
            "source": {"use": "git", "with": {"url": f"file://{self.repository}", "ref": "main"}},
            "target": {"cluster": "here", "namespace": namespace},
            "triggers": [{"name": "push", **use}],
        }
        place = self.folder / "rollouts" / "shop"
        place.mkdir(parents=True)
        (place / "rollout.yaml").write_bytes(orjson.dumps({**ROLLOUT, "spec": spec}))

    def make_repository(self) -> None:
        """Make the repository and a tree to commit in."""
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(self.repository))
        self._git("clone", "--quiet", str(self.repository), str(self.folder / "tree"))
        self.push("0")

    def push(self, value: str) -> None:
        """Commit another value and push it."""
        body = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"},
            "data": {"value": value},
        }  # fmt: skip
        tree = self.folder / "tree"
        (tree / "shop.yaml").write_bytes(orjson.dumps(body))
        who = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com")
        self._git("-C", str(tree), "add", "shop.yaml")
        self._git("-C", str(tree), *who, "commit", "--quiet", "-m", f"value {value}")
        self._git("-C", str(tree), "push", "--quiet", "origin", "HEAD:main")

    @staticmethod
    def _git(*words: str) -> None:
        subprocess.run(["git", *words], check=True, capture_output=True, timeout=60)

    def listener(self, _pending: Pending) -> Listener:
        """Note when a run in this process begins and writes."""
        self.now.note("queue")

        def take(progress: Progress) -> None:
            if isinstance(progress, StageBegan) and progress.stage == "begin":
                self.now.note("fetch, render, read, forecast")
            elif isinstance(progress, Applied):
                self.now.note("first write")

        return take

    def ended(self, _pending: Pending, how: Ended, _seconds: float) -> None:
        """Note that the listener knows."""
        self.now.note("known")
        self.outcome = f"{how.outcome}: {how.message}"
        self.done.set()


async def deliver(address: str) -> None:
    """Send a signed delivery, as a forge's hook would."""
    import aiohttp

    body = orjson.dumps({"id": uuid4().hex})
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-signature": f"sha256={signature}", "content-type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(address, data=body, headers=headers) as answer,
    ):
        if answer.status != 202:
            raise SystemExit(f"the delivery was answered with {answer.status}")


async def one_round(estate: Estate, address: str, value: str) -> dict[str, float]:
    """Commit, and return the seconds of every stage until the rollout has finished."""
    estate.now, estate.outcome = Round(), ""
    estate.done.clear()
    estate.now.note("commit")
    await asyncio.to_thread(estate.push, value)
    estate.now.note("push")
    if address:
        await deliver(address)
        estate.now.note("delivery noted")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await estate.done.wait()
    if not estate.outcome.startswith("succeeded"):
        raise SystemExit(f"a run ended otherwise: {estate.outcome}")
    return estate.now.stages()


async def flow_instants(estate: Estate) -> None:
    """Note what Prefect knows of the last flow run."""
    from prefect.client.schemas.sorting import FlowRunSort

    from rollwright.flows.dispatching import connected

    async with connected() as client:
        [run] = await client.read_flow_runs(limit=1, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
        states = await client.read_flow_run_states(run.id)
    words = {"Pending": "taken by the worker", "Running": "process and flow started"}
    for state in states:
        if state.name in words:
            estate.now.note(words[state.name], state.timestamp.timestamp())
        elif state.is_final():
            estate.now.note("walk", state.timestamp.timestamp())
    if run.created is not None:
        estate.now.note("flow run made", run.created.timestamp())


@asynccontextmanager
async def serving(estate: Estate, where: Where) -> AsyncIterator[tuple[Service, str]]:
    """Listen and receive; give the address of the receiver, if there is one."""
    async with open_site(start=estate.folder) as site:
        service = make_service(site, listener=estate.listener, ended=estate.ended)
        if where == "prefect":
            from rollwright.flows.dispatching import prefect_runner

            service.dispatcher.runner = prefect_runner(service, DEPLOYMENT)
        stop = asyncio.Event()
        async with _received(service, stop) as address:
            task = asyncio.create_task(service.serve(stop))
            try:
                yield service, address
            finally:
                stop.set()
                await task


@asynccontextmanager
async def _received(service: Service, stop: asyncio.Event) -> AsyncIterator[str]:
    if not service.listening.readers():
        yield ""
        return
    from rollwright.webhooks.server import receiving

    settings = service.site.loaded.file.webhooks
    async with receiving(service, settings, stop=stop) as receiver:
        yield receiver.hooks[0][1]


async def measure(estate: Estate, way: Way, where: Where, rounds: int) -> list[dict[str, float]]:
    """Return the stages of each round; a first one warms everything up."""
    found = []
    async with serving(estate, where) as (_service, address):
        for number in range(rounds + 1):
            stages = await one_round(estate, address if way == "webhook" else "", str(number + 1))
            if where == "prefect":
                await flow_instants(estate)
                stages = estate.now.stages()
            if number:
                found.append(stages)
    return found


@contextmanager
def prefect(folder: Path, root: Path) -> Iterator[None]:
    """Run a server and a worker of a site, in a folder of their own."""
    from rollwright.flows import local
    from rollwright.flows.server import QUIET

    os.environ.update(QUIET)
    os.environ["XDG_STATE_HOME"] = str(folder)
    up = local.up(root, port=0)
    os.environ.update(PREFECT_API_URL=up.url, PREFECT_HOME=str(folder / "client"))
    try:
        yield
    finally:
        local.down(forget=True)
        del os.environ["PREFECT_API_URL"]


def table(found: list[dict[str, float]]) -> list[tuple[str, ...]]:
    """Return rows of a table: stage, median, smallest, largest; milliseconds."""
    names = list(dict.fromkeys(name for one in found for name in one))
    names.sort(key=lambda name: name == "in all")
    rows = []
    for name in names:
        seconds = [one[name] for one in found if name in one]
        figures = (median(seconds), min(seconds), max(seconds))
        rows.append((name, *(f"{figure * 1000:,.0f} ms" for figure in figures)))
    return rows


def main(words: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Measure the seconds from a commit to its rollout."
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--way", choices=("webhook", "git"), default="webhook")
    parser.add_argument("--runner", choices=("local", "prefect", "both"), default="both")
    parser.add_argument("--kubeconfig", type=Path, help="a control plane; by default the sandbox's")
    asked: Any = parser.parse_args(words)
    os.environ[VARIABLE] = SECRET
    kubeconfig = asked.kubeconfig or sandbox.kubeconfig("default")
    for where in ("local", "prefect") if asked.runner == "both" else (asked.runner,):
        found = _measured(kubeconfig, asked.way, where, asked.rounds)
        title = f"\n{asked.way}, runner {where}, {asked.rounds} rounds"
        sys.stdout.write(title + "\n")
        head = ("until", "median", "fastest", "slowest")
        for line in columns([head, *table(found)], right=(1, 2, 3)):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0


def _measured(kubeconfig: Path, way: Way, where: Where, rounds: int) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="rollwright-benchmark-") as name:
        estate = Estate(folder=Path(name) / "site")
        estate.folder.mkdir()
        namespace = f"commit-to-rollout-{uuid4().hex[:8]}"
        estate.declare(kubeconfig, namespace, way)
        estate.make_repository()
        try:
            if where == "local":
                return asyncio.run(measure(estate, way, where, rounds))
            with prefect(Path(name) / "prefect", estate.folder):
                return asyncio.run(measure(estate, way, where, rounds))
        finally:
            asyncio.run(_remove(estate, namespace))


async def _remove(estate: Estate, namespace: str) -> None:
    """Remove the namespace that the rounds made."""
    from rollwright.plugins.contracts import DeleteRequest
    from rollwright.rollouts.manifest import ObjectRef

    async with open_site(start=estate.folder) as site:
        cluster = await site.cluster_named("here")
        ref = ObjectRef("", "Namespace", "", namespace)
        await cluster.delete(DeleteRequest(ref=ref, api_version="v1"))


if __name__ == "__main__":
    sys.exit(main())
