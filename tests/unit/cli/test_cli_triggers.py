"""Triggers on the command line: their schema, their mistakes, whether somebody listens."""

from __future__ import annotations

import asyncio
import json

import jsonschema_rs
import pytest

from rollwright.cli.trigger_checkup import trigger_checkup
from rollwright.engine.listening.service import make_service
from rollwright.engine.site import open_site
from rollwright.locks.memory import MemoryLocks
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster

SHOP = """\
apiVersion: rollwright.dev/v1alpha1
kind: Rollout
metadata: {{name: shop, labels: {{team: a}}}}
spec:
  source: {{path: ./manifests}}
  target: {{namespace: shop}}
{more}"""
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"
TRIGGER = """\
apiVersion: rollwright.dev/v1alpha1
kind: Trigger
metadata: {{name: hourly}}
spec:
  when: {when}
  rollouts: [{rollouts}]
"""


@pytest.fixture
def declare(tmp_path):
    """Write a site with one rollout, and perhaps a file of triggers."""

    def write(when="", rollouts="shop", more=""):
        (tmp_path / "site.toml").write_text("")
        folder = tmp_path / "rollouts" / "shop"
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        (folder / "manifests" / "a.yaml").write_text(OBJECT)
        (folder / "rollout.yaml").write_text(SHOP.format(more=more))
        file = tmp_path / "rollouts" / "hourly.trigger.yaml"
        if when:
            file.write_text(TRIGGER.format(when=when, rollouts=rollouts))
        return file

    return write


def test_a_trigger_has_a_schema(run):
    schema = json.loads(run("schema", "Trigger").out)

    jsonschema_rs.meta.validate(schema)
    assert schema["title"] == "Trigger"


def test_the_schema_of_a_trigger_is_listed(run):
    assert any(line.split()[0] == "Trigger" for line in run("schema").out.splitlines())


def test_a_trigger_fits_its_schema(run):
    schema = json.loads(run("schema", "Trigger").out)
    form = {
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "Trigger", "metadata": {"name": "a"},
        "spec": {"when": [{"use": "interval", "with": {"every": "1h"}}], "rollouts": ["shop"]},
    }  # fmt: skip

    assert jsonschema_rs.is_valid(schema, form)


@pytest.mark.parametrize("group", ["triggers", "feedback"])
def test_plugins_of_triggers_and_feedback_are_listed(run, group):
    listed = [line.split()[0] for line in run("plugins").out.splitlines()]

    assert group in listed


def test_a_good_trigger_has_no_finding(run, declare):
    page = run("lint", declare("{use: interval, with: {every: 1h}}"))

    assert (page.code, "0 errors, 0 warnings" in page.out) == (0, True)


@pytest.mark.parametrize(
    ("when", "rollouts", "words"),
    [
        ("intervall", "shop", "intervall"),
        ("{use: interval, with: {evry: 1h}}", "shop", "evry"),
        ("{use: interval, with: {every: 1ms}}", "shop", "at least 1s"),
        ("interval", "lost", "no rollout 'lost' in the site; known: shop"),
        ("interval", "", "rollouts"),
    ],
)
def test_a_mistake_of_a_trigger_is_told_with_its_line(run, declare, when, rollouts, words):
    page = run("lint", declare(when, rollouts))

    assert (page.code, words in page.out) == (2, True)
    assert "hourly.trigger.yaml:" in page.out


def test_labels_that_nobody_has_are_a_warning(run, declare):
    page = run("lint", declare("interval", "{select: {labels: {team: b}}}"))

    assert (page.code, "no rollout of the site has these labels" in page.out) == (0, True)


def test_each_of_several_is_looked_at(run, declare):
    page = run("lint", declare("[interval, nonesuch, {use: interval, with: {evry: 1h}}]"))

    assert page.code == 2
    assert "spec.when[1]" in page.out
    assert "spec.when[2]" in page.out


def test_a_folder_of_a_rollout_is_linted_with_its_triggers(run, declare, tmp_path):
    declare().parent.joinpath("shop", "trigger.yaml").write_text(
        TRIGGER.format(when="nonesuch", rollouts="shop")
    )
    page = run("lint", tmp_path / "rollouts" / "shop")

    assert (page.code, "nonesuch" in page.out) == (2, True)


def test_a_folder_of_triggers_alone_needs_no_rollout(run, declare, tmp_path):
    declare("interval")
    page = run("lint", tmp_path / "rollouts")

    assert (page.code, "0 errors" in page.out) == (0, True)


def test_another_document_among_triggers_is_told(run, declare):
    file = declare("interval")
    file.write_text(f"{file.read_text()}---\n{OBJECT}")

    assert "not a Trigger; a file of triggers holds no more" in run("lint", file).out


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("nonesuch", "nonesuch"),
        ("{use: interval, with: {evry: 1h}}", "evry"),
    ],
)
def test_a_mistake_of_a_rollout_s_own_trigger_is_told(run, declare, tmp_path, own, words):
    declare(more=f"  triggers: [{own}]\n")
    page = run("lint", tmp_path / "rollouts" / "shop")

    assert (page.code, words in page.out, "spec.triggers[0]" in page.out) == (2, True, True)


# ------------------------------------------------------------------ doctor


@pytest.fixture
async def site(declare, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    declare("{use: interval, with: {every: 1h}}")
    cluster = FakeCluster([])
    store, locks = MemoryStore().bind(cluster), MemoryLocks().bind(cluster)

    def opened():
        one = open_site(start=tmp_path)
        one.use_cluster(cluster)
        one.use_store(store)
        one.use_locks(locks)
        return one

    return opened


async def findings(site):
    return [(one.level.value, one.subject, one.text) for one in await trigger_checkup(site())]


async def test_doctor_says_that_nobody_listens(site):
    text = "interval for 1 rollout; nobody listens"

    assert await findings(site) == [("warn", "trigger hourly", text)]


async def test_doctor_says_who_listens(site):
    stop = asyncio.Event()
    listening = asyncio.create_task(make_service(site()).serve(stop))
    for _ in range(400):
        [(level, _subject, text)] = await findings(site)
        if level == "ok":
            break
        await asyncio.sleep(0.01)
    stop.set()
    async with asyncio.timeout(20):
        await listening

    assert "interval for 1 rollout; listened to by " in text


async def test_doctor_tells_what_cannot_be_read(site, declare):
    declare("{use: interval, with: {every: 1h}}", "lost")
    found = await findings(site)

    assert ("warn", "declared", "trigger 'hourly': no rollout 'lost' in the site") in found
    assert ("warn", "trigger hourly", "interval for 0 rollouts: it can start nothing") in found


async def test_doctor_tells_options_that_are_wrong(site, declare):
    declare("{use: interval, with: {evry: 1h}}")
    [(level, subject, text)] = await findings(site)

    assert (level, subject, "evry" in text) == ("fail", "trigger hourly", True)


async def test_doctor_says_nothing_of_a_site_without_triggers(site, tmp_path):
    (tmp_path / "rollouts" / "hourly.trigger.yaml").unlink()

    assert await findings(site) == []


async def test_deliveries_come_in_where_somebody_listens(site, declare, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", "s" * 32)
    declare("{use: webhook, with: {type: github, secret: {env: HOOK_SECRET}}}")
    [(level, _subject, text)] = await findings(site)

    assert (level, "deliveries come in where somebody listens" in text) == ("ok", True)


@pytest.mark.parametrize(
    ("secret", "words"), [("", "HOOK_SECRET is not there"), ("s" * 15, "has 15 characters")]
)
async def test_doctor_tells_a_secret_that_is_not_there_or_short(
    site, declare, monkeypatch, secret, words
):
    monkeypatch.setenv("HOOK_SECRET", secret)
    declare("{use: webhook, with: {type: github, secret: {env: HOOK_SECRET}}}")
    [(level, subject, text)] = await findings(site)

    assert (level, subject, words in text) == ("warn", "trigger hourly", True)


async def test_doctor_tells_a_database_that_is_not_there(site, declare):
    declare("{use: query, with: {database: mian, query: SELECT 1 AS k, key: k}}")
    found = await findings(site)

    assert found[0][0] == "fail"
    assert "no database 'mian' in site.toml; known: none" in found[0][2]


async def test_doctor_says_that_a_rollout_is_suspended(site, declare):
    declare("{use: interval, with: {every: 1h}}", more="  suspend: true\n")
    [(_level, _subject, text)] = await findings(site)

    assert text == "interval for 1 rollout (suspended); nobody listens"
