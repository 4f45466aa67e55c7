"""What it costs to take a delivery in: from its last byte to the answer, noted and queued.

One after the other on a connection that is there, and many at once, of as many repositories as a
site may have. The runs are none: what is measured is how soon a forge has its answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter, process_time

import aiohttp
import orjson

from benchmarks.figures import Measured, Results, Sample, summarize
from benchmarks.goals import Verdict
from benchmarks.rounds import Plan, say
from rollwright.engine.listening.pending import Pending
from rollwright.engine.listening.running import Ended, Idle
from rollwright.engine.listening.service import make_service
from rollwright.engine.progress import Listener, ignore
from rollwright.engine.site import Site, open_site
from rollwright.engine.site_file import WebhooksSection
from rollwright.locks.memory import MemoryLocks
from rollwright.stores.file import FileStore
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster
from rollwright.webhooks.server import receiving

ALONE, TOGETHER = "delivery, one after the other", "delivery, 32 at once"
CASES = (ALONE, TOGETHER)
STORES = ("memory", "file")
ROLLOUTS = 200
DELIVERIES = 1_000
AT_ONCE = 32
GOAL_SECONDS = 0.050
TITLE = f"webhooks: {ROLLOUTS} rollouts of as many repositories, signed pushes of GitHub"

_SECRET = "benchmark-secret"  # noqa: S105  (of a receiver that lives as long as a benchmark)
_VARIABLE = "BENCHMARK_HOOK"


@dataclass(slots=True)
class _Runner:
    """Makes runs of no length."""

    async def run(self, pending: Pending, *, at: str, idle: Idle, tell: Listener = ignore) -> Ended:
        del pending, at, idle, tell
        return Ended(outcome="succeeded", message="", is_good=True, exit_code=0)


def run(plan: Plan) -> Results:
    """Measure with each store."""
    os.environ[_VARIABLE] = _SECRET
    folder = plan.work / "webhooks"
    _declare(folder)
    return Results(tuple(asyncio.run(_rounds(plan, folder))))


async def _rounds(plan: Plan, folder: Path) -> list[Sample]:
    began_at, samples = monotonic(), list[Sample]()
    for number in range(plan.rounds):
        for store in STORES:
            say(f"webhooks: round {number + 1} of {plan.rounds}: {store}", began_at)
            for case, at_once in ((ALONE, 1), (TOGETHER, AT_ONCE)):
                async with _opened(folder, store) as address:
                    measured = await _send(address, at_once)
                first = number * DELIVERIES
                samples += [
                    Sample(case=case, peer=store, round=first + place, measured=one)
                    for place, one in enumerate(measured)
                ]
    return samples


@asynccontextmanager
async def _opened(folder: Path, store: str) -> AsyncIterator[str]:
    """Open a receiver that notes in a store."""
    site, stop = _site(folder, store), asyncio.Event()
    settings = WebhooksSection(port=0, rate=1e9, burst=10**6)
    async with site:
        service = make_service(site, runner=_Runner())
        async with receiving(service, settings, stop=stop, tell=lambda _entry: None) as receiver:
            serving = asyncio.create_task(service.serve(stop))
            yield dict(receiver.hooks)["hook"]
            stop.set()
            await serving


def _site(folder: Path, store: str) -> Site:
    site, cluster = open_site(start=folder), FakeCluster([])
    site.use_cluster(cluster)
    site.use_locks(MemoryLocks().bind(cluster))
    plugin = MemoryStore() if store == "memory" else FileStore(path=folder / "states")
    site.use_store(plugin.bind(cluster))
    return site


async def _send(address: str, at_once: int) -> list[Measured]:
    measured: list[Measured] = []
    numbers = iter(range(1, DELIVERIES + 1))
    async with aiohttp.ClientSession() as session:

        async def post() -> None:
            for number in numbers:
                body, headers = _delivery(number)
                began_at, used = perf_counter(), process_time()
                async with session.post(address, data=body, headers=headers) as answer:
                    await answer.read()
                seconds = perf_counter() - began_at
                measured.append(
                    Measured(
                        seconds=seconds,
                        cpu_seconds=process_time() - used if at_once == 1 else 0.0,
                        failure="" if answer.status == 202 else f"answered {answer.status}",
                    )
                )

        await asyncio.gather(*(post() for _ in range(at_once)))
    return measured


def _delivery(number: int) -> tuple[bytes, dict[str, str]]:
    name = f"shop/r{number % ROLLOUTS}"
    repository = {"full_name": name, "clone_url": f"https://github.com/{name}.git"}
    commit = {"added": [], "modified": [f"apps/{n}/deploy.yaml" for n in range(20)], "removed": []}
    body = orjson.dumps(
        {
            "ref": "refs/heads/main",
            "before": f"{number:040x}",
            "after": f"{number + 1:040x}",
            "repository": repository,
            "commits": [commit] * 10,
        }
    )
    signature = hmac.new(_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return body, {
        "content-type": "application/json",
        "x-github-event": "push",
        "x-hub-signature-256": f"sha256={signature}",
    }


def judge(results: Results) -> Iterator[Verdict]:
    """Yield the goal of the answer's median, for each store.

    Of many at once the median says how long the line is: it is shown, and no goal.
    """
    for peer in results.peers(ALONE):
        found = summarize(results.seconds(ALONE, peer).values())
        middle = None if found is None or results.failures(ALONE, peer) else found.median
        yield Verdict(
            case="webhooks",
            who=peer,
            text="a delivery is answered, and noted",
            goal=f"<= {GOAL_SECONDS * 1e3:.0f} ms",
            figure="" if middle is None else f"{middle * 1e3:.1f} ms",
            is_reached=None if middle is None else middle <= GOAL_SECONDS,
        )


def _declare(folder: Path) -> None:
    names = [f"r{number}" for number in range(ROLLOUTS)]
    for name in names:
        place = {"url": f"https://github.com/shop/{name}", "ref": "main"}
        source = {"source": {"use": "git", "with": place}}
        _write(folder, f"{name}/rollout.yaml", "Rollout", name, source)
    options = {"type": "github", "secret": {"env": _VARIABLE}}
    when = {"use": "webhook", "with": options}
    _write(folder, "hook.trigger.yaml", "Trigger", "hook", {"when": when, "rollouts": names})
    (folder / "site.toml").write_text("")


def _write(folder: Path, place: str, kind: str, name: str, spec: Mapping[str, object]) -> None:
    path = folder / "rollouts" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"apiVersion": "rollwright.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
    path.write_bytes(orjson.dumps({**head, "spec": spec}))
