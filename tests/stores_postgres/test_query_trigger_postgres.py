"""Rows of a real PostgreSQL become rollouts; the database may go away and come back."""

from __future__ import annotations

import asyncio
import json

import pytest

from rollwright.cli.trigger_checkup import trigger_checkup
from rollwright.engine.listening.service import make_service
from rollwright.engine.site import open_site
from rollwright.locks.memory import MemoryLocks
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ id }}"}
data: {plan: "{{ plan }}", cores: "{{ cores }}"}
"""


class Estate:
    """A site whose rollout is run for the rows of a table."""

    def __init__(self, folder, options):
        self.folder = folder
        self.cluster = FakeCluster([NAMESPACE])
        self.ended, self.notes, self.stop = [], [], asyncio.Event()
        lines = [
            f"{key} = {json.dumps(options[key])}" for key in ("host", "port", "user", "schema")
        ]
        lines += ['database = "postgres"', 'password = { env = "TEST_POSTGRES_PASSWORD" }']
        (folder / "site.toml").write_text(
            "\n".join(["[databases.main]", 'use = "postgres"', *lines])
        )
        self.declare()

    def declare(self, **options):
        folder = self.folder / "rollouts" / "customer"
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        (folder / "manifests" / "all.yaml.j2").write_text(TEMPLATE)
        given = {
            "database": "main", "key": "id", "interval": "1s",
            "query": "SELECT id, plan, cores FROM customers ORDER BY id", **options,
        }  # fmt: skip
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "customer"},
            "spec": {
                "source": {"path": "manifests"}, "target": {"namespace": "shop"}, "validate": [],
                "render": {"use": "jinja"}, "config": [{"trigger": {}}],
                "triggers": [
                    {"name": "rows", "use": "query", "instances": "perKey", "with": given}
                ],
            },
        }  # fmt: skip
        (folder / "rollout.yaml").write_text(json.dumps(document))

    async def listen(self, until):
        site = open_site(start=self.folder)
        site.use_cluster(self.cluster)
        site.use_store(MemoryStore().bind(self.cluster))
        site.use_locks(MemoryLocks().bind(self.cluster))
        site.tell = self.notes.append

        def ended(pending, how, _seconds):
            self.ended.append((pending.firing.key, how.outcome, how.message))

        service = make_service(site, ended=ended)
        serving = asyncio.create_task(service.serve(self.stop))
        try:
            async with asyncio.timeout(30):
                while not until() and not serving.done():
                    await asyncio.sleep(0.02)
        finally:
            self.stop.set()
            await serving
            await site.close()

    def config(self, name):
        found = [one for ref, one in self.cluster.objects.items() if ref.name == name]
        return found[0]["data"] if found else None


@pytest.fixture
async def estate(tmp_path, options, sql):
    await sql(f'CREATE SCHEMA "{options["schema"]}"')
    await sql("CREATE TABLE customers (id text, plan text, cores int)")
    await sql("INSERT INTO customers VALUES ('ada', 'large', 8), ('bob', 'small', 1)")
    return Estate(tmp_path, options)


async def test_rows_become_rollouts(estate):
    await estate.listen(lambda: len({key for key, *_ in estate.ended}) == 2)

    assert {outcome for _, outcome, _ in estate.ended} == {"succeeded"}, estate.ended
    assert estate.config("ada") == {"plan": "large", "cores": "8"}
    assert estate.config("bob") == {"plan": "small", "cores": "1"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"query": "SELECT id FROM costumers"}, 'relation "costumers" does not exist'),
        ({"key": "name"}, "no column 'name'; known: id, plan, cores"),
        ({"parameters": ["a"], "query": "SELECT id FROM customers WHERE plan = $1"}, "nobody"),
    ],
)
async def test_doctor_tells_a_query_whose_polls_would_fail(estate, given, words):
    estate.declare(**{"key": "id", **given})
    async with open_site(start=estate.folder) as site:
        site.use_cluster(estate.cluster)
        site.use_locks(MemoryLocks().bind(estate.cluster))
        first = (await trigger_checkup(site))[0]

    assert words in first.text


async def test_a_row_that_changed_is_rolled_out(estate, sql):
    changing = asyncio.Event()

    async def change():
        await changing.wait()
        await sql("UPDATE customers SET cores = 16 WHERE id = 'ada'")

    task = asyncio.create_task(change())

    def until():
        if estate.config("ada"):
            changing.set()
        return (estate.config("ada") or {}).get("cores") == "16"

    await estate.listen(until)
    await task

    assert estate.config("ada")["cores"] == "16"


async def test_a_row_whose_run_is_at_work_is_not_started_again(estate, sql, monkeypatch):
    await sql("DELETE FROM customers WHERE id = 'bob'")
    polls, begun, go = [], [], asyncio.Event()
    from rollwright.engine.inputs import databases
    from rollwright.engine.listening.running import LocalRunner

    ask, run = databases.query, LocalRunner.run

    async def counted(*args, **options):
        polls.append(args)
        return await ask(*args, **options)

    async def slow(self, pending, **more):
        begun.append(pending.firing.id)
        await go.wait()
        return await run(self, pending, **more)

    monkeypatch.setattr(databases, "query", counted)
    monkeypatch.setattr(LocalRunner, "run", slow)

    def until():
        if len(polls) >= 3:
            go.set()
        return bool(estate.ended)

    await estate.listen(until)

    assert len(begun) == 1


async def test_a_change_while_a_run_is_at_work_is_not_lost(estate, sql, monkeypatch):
    await sql("DELETE FROM customers WHERE id = 'bob'")
    estate.declare(once="perContent")
    from rollwright.engine.listening import pending as notes
    from rollwright.engine.listening.running import LocalRunner

    run, go, firings = LocalRunner.run, asyncio.Event(), []

    async def slow(self, pending, **more):
        how = await run(self, pending, **more)
        if not go.is_set():
            await sql("UPDATE customers SET cores = 16")
            await go.wait()
        return how

    def noted(firing, *rest):
        firings.append(firing)
        if len(firings) > 1:
            go.set()  # the change was seen while the run was at work
        return take(firing, *rest)

    take = notes._firing_form
    monkeypatch.setattr(notes, "_firing_form", noted)
    monkeypatch.setattr(LocalRunner, "run", slow)
    await estate.listen(lambda: (estate.config("ada") or {}).get("cores") == "16")

    assert estate.config("ada")["cores"] == "16"


async def test_a_large_row_is_rolled_out(estate, sql):
    await sql("UPDATE customers SET plan = repeat('x', 500000) WHERE id = 'ada'")
    await estate.listen(lambda: estate.config("ada") and estate.config("bob"))

    assert len(estate.config("ada")["plan"]) == 500_000


async def test_what_was_made_for_a_row_that_is_gone_is_removed(estate, sql):
    estate.declare(gone="remove")

    async def remove():
        while not estate.config("bob"):
            await asyncio.sleep(0.02)
        await sql("DELETE FROM customers WHERE id = 'bob'")

    task = asyncio.create_task(remove())
    await estate.listen(lambda: task.done() and not estate.config("bob"))

    assert estate.config("ada")
    assert not estate.config("bob")


async def test_a_database_that_went_away_is_asked_again_when_it_is_back(estate, postgres):
    await asyncio.to_thread(postgres.kill)
    started = []

    async def start():
        while not estate.notes:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(postgres.start)
        started.append(True)

    task = asyncio.create_task(start())
    try:
        await estate.listen(lambda: len({key for key, *_ in estate.ended}) == 2)
        await task
    finally:
        if postgres.process is None:
            postgres.start()

    assert started
    assert any("trigger rows: database 'main'" in getattr(one, "text", "") for one in estate.notes)
    assert estate.config("ada") is not None
