"""What charts look up: asked once, kept with a plan, and part of what the cache compares (RE-15)."""

from __future__ import annotations

import json

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.approval import saved as engine
from rollwright.engine.operations import manual_trigger
from rollwright.engine.progress import Note
from rollwright.errors import InvalidManifests, Refused, RolloutError
from rollwright.plugins.contracts import ApplyRequest
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.saved.saved_plan import decode, encode

FOUND = ObjectRef("", "ConfigMap", "shop", "found")
PASSWORD = "hunter2hunter2"
ENCODED = "aHVudGVyMmh1bnRlcjI="


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def chart(world):
    """Writes a chart of one object; returns what its data is in the cluster."""
    folder = world.folder / "chart" / "templates"
    folder.mkdir(parents=True)
    (folder.parent / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")

    def write(kind, *lines, **options):
        body = "\n".join(f"  {one}" for one in lines)
        name = "found" if kind == "ConfigMap" else "kept"
        part = "data" if kind == "ConfigMap" else "stringData"
        (folder / "one.yaml").write_text(
            f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n{part}:\n{body}\n"
        )
        render = {"use": "helm", "with": options}
        world.declare(source={"path": "chart"}, render=render, health={"timeout": "2m"})

    return write


async def put(world, kind, name, **content):
    ref = ObjectRef("", kind, "shop", name)
    metadata = {"name": name, "namespace": "shop"}
    body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}
    await world.cluster.apply(ApplyRequest(ref=ref, body=body, manager="kubectl", force=True))


async def save(world):
    async with world.site() as site:
        made = await engine.save_plan(site, library.load(world.folder))
    return encode(made)


async def carry_out(world, data):
    async with world.site() as site:
        saved, rollout = decode(data, where="plan.json"), library.load(world.folder)
        return await engine.roll_out_saved(site, rollout, saved, trigger=manual_trigger("shop"))


COLOR = 'color: {{ (lookup "v1" "ConfigMap" "shop" "outside").data.color }}'


async def test_a_plan_follows_what_the_target_has(world, chart):
    chart("ConfigMap", COLOR)
    await put(world, "ConfigMap", "outside", data={"color": "blue"})
    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert world.cluster.objects[FOUND]["data"] == {"color": "blue"}


async def test_one_object_is_read_once(world, chart):
    await put(world, "ConfigMap", "outside", data={"color": "blue"})
    counts = []
    for lines in ([COLOR], [COLOR, COLOR.replace("color:", "again:")]):
        chart("ConfigMap", *lines)
        before = world.cluster.calls["get"]
        await world.plan()
        counts.append(world.cluster.calls["get"] - before)

    assert counts[0] == counts[1]


async def test_a_saved_plan_is_carried_out_with_what_was_found_then(world, chart):
    chart("ConfigMap", COLOR)
    await put(world, "ConfigMap", "outside", data={"color": "blue"})
    data = await save(world)
    await put(world, "ConfigMap", "outside", data={"color": "red"})
    report = await carry_out(world, data)

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert world.cluster.objects[FOUND]["data"] == {"color": "blue"}


async def test_what_was_not_found_stays_so_in_a_saved_plan(world, chart):
    chart("ConfigMap", 'is: {{ empty (lookup "v1" "ConfigMap" "shop" "outside") | quote }}')
    data = await save(world)
    await put(world, "ConfigMap", "outside", data={"color": "red"})
    await carry_out(world, data)

    assert world.cluster.objects[FOUND]["data"] == {"is": "true"}


KEEP = 'password: {{ (lookup "v1" "Secret" "shop" "outside").data.password | b64dec }}'


async def test_a_secret_is_sealed_in_a_saved_plan_and_opened_again(world, chart):
    chart("Secret", KEEP)
    await put(world, "Secret", "outside", data={"password": ENCODED})
    data = await save(world)
    await put(world, "Secret", "outside", data={"password": "b3RoZXI="})
    report = await carry_out(world, data)

    assert PASSWORD.encode() not in data
    assert ENCODED.encode() not in data
    assert report.outcome is Outcome.SUCCEEDED, report.message
    kept = world.cluster.objects[ObjectRef("", "Secret", "shop", "kept")]
    assert kept["data"] == {"password": ENCODED}


async def test_an_installation_with_another_key_cannot_open_it(world, chart, monkeypatch):
    chart("Secret", KEEP)
    await put(world, "Secret", "outside", data={"password": ENCODED})
    data = await save(world)
    monkeypatch.setenv("SITE_KEY", "0123456789abcdef" * 4)
    (world.folder / "site.toml").write_text('[site]\nkey = {env = "SITE_KEY"}\n')

    with pytest.raises(Refused, match="Secret shop/outside, is sealed with the key of another"):
        await carry_out(world, data)


async def test_a_value_of_a_secret_may_stand_in_secrets_alone(world, chart):
    chart("ConfigMap", KEEP)
    await put(world, "Secret", "outside", data={"password": ENCODED})
    with pytest.raises(InvalidManifests, match=r"data\.password: holds a value") as caught:
        await world.plan()

    assert PASSWORD not in str(caught.value)
    assert "lookup: reveal" in (caught.value.hint or "")


async def test_it_may_stand_anywhere_if_it_is_revealed(world, chart):
    chart("ConfigMap", KEEP, lookup="reveal")
    await put(world, "Secret", "outside", data={"password": ENCODED})
    await world.rollout()

    assert world.cluster.objects[FOUND]["data"] == {"password": PASSWORD}


async def test_what_was_revealed_once_is_not_taken_from_the_cache_for_others(world, chart):
    await put(world, "Secret", "outside", data={"password": ENCODED})
    chart("ConfigMap", KEEP, lookup="reveal")
    await world.plan()
    chart("ConfigMap", KEEP)

    with pytest.raises(InvalidManifests):
        await world.plan()


async def test_an_error_does_not_quote_what_was_found(world, chart):
    chart("ConfigMap", 'a: {{ fail ((lookup "v1" "Secret" "shop" "outside").data.password) }}')
    await put(world, "Secret", "outside", data={"password": ENCODED})
    with pytest.raises(RolloutError) as caught:
        await world.plan()

    assert ENCODED not in str(caught.value)
    assert "***" in str(caught.value)


class TestCache:
    """A rendering is taken again only while the answers are the same."""

    @pytest.fixture(autouse=True)
    def _cache(self, monkeypatch, tmp_path):
        monkeypatch.delenv("ROLLWRIGHT_RENDERING__CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("ROLLWRIGHT_HELM", self.helm())

    @staticmethod
    def helm():
        from rollwright.renderers.helm.program import _find

        return _find()

    async def plan(self, world):
        """Return what was told while a plan was made."""
        world.heard.clear()
        await world.plan()
        return [one.text for one in world.heard if isinstance(one, Note)]

    async def test_the_same_answers_are_a_hit(self, world, chart):
        chart("ConfigMap", COLOR)
        await put(world, "ConfigMap", "outside", data={"color": "blue"})
        await world.plan()
        async with world.site() as site:
            await operations.plan(site, library.load(world.folder))
            looked_up = list(site.looked_up.values())

        assert [one["data"] for one in looked_up] == [{"color": "blue"}]

    async def test_other_answers_render_anew_without_a_warning(self, world, chart):
        chart("ConfigMap", COLOR)
        await put(world, "ConfigMap", "outside", data={"color": "blue"})
        await world.plan()
        await put(world, "ConfigMap", "outside", data={"color": "red"})
        notes = await self.plan(world)
        report = await world.rollout()

        assert report.outcome is Outcome.SUCCEEDED
        assert world.cluster.objects[FOUND]["data"] == {"color": "red"}
        assert not [one for one in notes if "each time" in one]

    async def test_no_file_of_it_shows_a_secret(self, world, chart, tmp_path):
        chart("ConfigMap", KEEP, lookup="reveal")
        await put(world, "Secret", "outside", data={"password": ENCODED})
        await world.plan()
        files = [one for one in (tmp_path / "cache").rglob("*") if one.is_file()]

        assert files
        assert not [one for one in files if PASSWORD.encode() in one.read_bytes()]


async def test_render_without_a_cluster_finds_nothing_and_says_so(world, chart):
    chart("ConfigMap", 'is: {{ lookup "v1" "Secret" "shop" "outside" | toJson | quote }}')
    async with world.site() as site:
        found = await operations.render(site, library.load(world.folder))
    notes = [one.text for one in world.heard if isinstance(one, Note)]

    assert json.loads(found.manifests[0].body["data"]["is"]) == {}
    assert any("looks objects up and found none" in one for one in notes), notes
