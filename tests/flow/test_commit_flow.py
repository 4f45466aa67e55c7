"""From a commit to a finished rollout, by a server and a worker that really run."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from rollwright.engine.listening.pending import Pending
from rollwright.engine.listening.running import Ended
from rollwright.engine.listening.service import make_service
from rollwright.engine.operations import named_spec
from rollwright.engine.site import open_site
from rollwright.flows.dispatching import PrefectRunner
from rollwright.plugins.contracts import GetRequest
from rollwright.rollouts.manifest import ObjectRef

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.cluster,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
PATIENCE = 150


class Repository:
    """A bare repository and a tree to commit in."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.tree = folder / "shop.git", folder / "tree"
        git("init", "--quiet", "--bare", "--initial-branch=main", self.bare)
        git("clone", "--quiet", self.bare, self.tree)

    def commit(self, value: str) -> str:
        body = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
            "data": {"value": value},
        }  # fmt: skip
        (self.tree / "a.yaml").write_text(json.dumps(body))
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        git("-C", self.tree, "add", "a.yaml")
        git("-C", self.tree, *who, "commit", "--quiet", "-m", f"value {value}")
        git("-C", self.tree, "push", "--quiet", "origin", "HEAD:main")
        return git("-C", self.tree, "rev-parse", "HEAD")


def git(*words: object) -> str:
    done = subprocess.run(
        ["git", *map(str, words)], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


@pytest.fixture
def declared(background, repository, namespace):
    """A rollout of the site that the worker knows, with a trigger that looks at the repository."""
    root = Path(background.root)
    site, folder = root / "site.toml", root / "rollouts" / namespace
    before = site.read_text()
    site.write_text(f'{before}[sources]\nrepositories = ["{repository.bare}"]\n')
    folder.mkdir(parents=True)
    document = {
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": namespace},
        "spec": {
            "source": {"use": "git", "with": {"url": f"file://{repository.bare}", "ref": "main"}},
            "target": {"cluster": "here", "namespace": namespace},
            "triggers": [{"name": f"{namespace}-push", "use": "git", "with": {"interval": "1s"}}],
        },
    }  # fmt: skip
    (folder / "rollout.yaml").write_text(json.dumps(document))
    yield root
    site.write_text(before)
    shutil.rmtree(folder)


async def test_a_commit_becomes_a_rollout_by_a_worker(
    declared, repository, namespace, background, client_of
):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    ended: asyncio.Queue[tuple[Pending, Ended]] = asyncio.Queue()
    stop = asyncio.Event()
    first = repository.commit("1")
    with temporary_settings({PREFECT_API_URL: background.url}):
        async with open_site(start=declared) as site:
            told = lambda pending, how, _seconds: ended.put_nowait((pending, how))  # noqa: E731
            service = make_service(site, ended=told)
            service.dispatcher.runner = PrefectRunner(
                site, service.declared.rollouts, "rollout/rollout"
            )
            serving = asyncio.create_task(service.serve(stop))
            try:
                async with asyncio.timeout(PATIENCE):
                    if first:  # whether the first look fires is the trigger's own affair
                        repository.commit("2")
                    pending, how = await ended.get()
                    while (live := await live_value(site, namespace)) != "2":
                        pending, how = await ended.get()
            finally:
                stop.set()
                await serving
            state = await (await site.store(named_spec(namespace, "here"))).load(namespace)
    async with client_of(background.url) as record:
        wanted = {"name": {"any_": ["rollout"]}}
        runs = await record.ask("/flow_runs/filter", flows=wanted)

    assert (how.outcome, live) == ("succeeded", "2")
    assert state is not None
    mine = [run for run in runs if run["parameters"].get("pending") == namespace]
    assert pending.id in {run["parameters"]["trigger"] for run in mine}
    assert {run["state_type"] for run in mine} == {"COMPLETED"}


async def live_value(site, namespace):
    cluster = await site.cluster_named("here")
    ref = ObjectRef("", "ConfigMap", namespace, "a")
    found = await cluster.get(GetRequest(ref=ref, api_version="v1"))
    return found.body["data"]["value"] if found else None
