"""The installation's key through a run: made up, kept, declared, and laid on every Secret."""

from __future__ import annotations

import asyncio
import base64
import json
import traceback
from hashlib import sha256

import pytest

from rollwright import library
from rollwright.engine.site import Site
from rollwright.engine.site_file import KeySource, load_site, parse_site
from rollwright.errors import InvalidSpec, NotFound, RolloutError
from rollwright.rollouts.manifest import digest_of
from rollwright.stores.memory import MemoryStore

VALUE = "hunter2-for-the-shop"
ENCODED = base64.b64encode(VALUE.encode()).decode()


def secret(name="login", value=VALUE, **content):
    content = content or {"stringData": {"password": value}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **content}


def declare_key(world, text):
    (world.folder / "site.toml").write_text(f"[site]\nkey = {text}\n")


async def salt_of(world, *, kept=False):
    async with world.site() as site:
        spec = library.load(world.folder).spec
        return await (site.keep_salt(spec) if kept else site.salt(spec))


async def test_a_plan_keeps_no_key(world):
    world.write(secret())
    await world.plan()

    assert await world.store.key() is None


async def test_a_rollout_keeps_the_key_of_its_plan(world):
    world.write(secret())
    await world.rollout()

    assert await salt_of(world) == (await world.store.key()).hex()


async def test_the_key_is_kept_before_anything_else_is_written(world, make):
    order = []

    def noted(name, call):
        async def wrapped(*args, **kwargs):
            order.append(name)
            return await call(*args, **kwargs)

        return wrapped

    names = ("put_key", "save", "put_snapshot")
    store = world.store
    world.store = make.wrapped(store, **{one: noted(one, getattr(store, one)) for one in names})
    world.write(secret())
    await world.rollout()

    assert order[0] == "put_key"


async def test_a_key_that_is_kept_stays(world):
    await world.store.put_key(b"first")
    world.write(secret())
    await world.rollout()

    assert await world.store.key() == b"first"


async def test_before_the_first_run_every_site_makes_up_a_key(world):
    assert await salt_of(world) != await salt_of(world)


async def test_one_site_makes_up_one_key(world):
    async with world.site() as site:
        spec = library.load(world.folder).spec

        assert await site.salt(spec) == await site.salt(spec) == await site.keep_salt(spec)


async def test_sites_that_begin_at_the_same_time_end_with_one_key(world):
    salts = await asyncio.gather(*(salt_of(world, kept=True) for _ in range(4)))

    assert set(salts) == {(await world.store.key()).hex()}


async def test_a_set_without_secrets_needs_no_key(world, make):
    asked = []

    async def key():
        asked.append(1)

    world.store = make.wrapped(world.store, key=key)
    world.write(make.config("a"))
    await world.plan()

    assert asked == []


async def test_render_needs_no_store(world, make):
    async def key():
        raise AssertionError("render asks for a key")

    world.store = make.wrapped(world.store, key=key)
    world.write(secret())
    async with world.site() as site:
        (manifest,) = await library.render(world.folder, site=site)

    assert manifest.body["data"] == {"password": ENCODED}


async def test_a_rollout_whose_key_lost_remembers_with_the_one_that_is_kept(world):
    world.write(secret())
    async with world.site() as site:
        spec = library.load(world.folder).spec
        await site.salt(spec)
        await world.store.put_key(b"somebody was faster")
        await library.rollout(world.folder, site=site)
    second = await world.plan()

    assert [(one.operation.value, one.why) for one in second.changes] == [("keep", "as applied")]


async def test_a_second_run_keeps_a_secret_without_asking(world):
    world.write(secret())
    await world.rollout()
    before = world.cluster.calls["dry-run"]
    plan = await world.plan()

    assert plan.is_done
    assert world.cluster.calls["dry-run"] == before


async def test_a_value_that_somebody_changed_is_put_back(world, make):
    world.write(secret())
    await world.rollout()
    body = world.cluster.objects[make.ref("Secret", "login")]
    metadata = {**body["metadata"], "resourceVersion": "999"}
    world.cluster.put({**body, "metadata": metadata, "data": {"password": "b3RoZXI="}})
    plan = await world.plan()

    assert [one.operation.value for one in plan.changes] == ["update"]


async def test_plans_of_two_machines_can_be_compared(world):
    world.write(secret())
    await world.store.put_key(b"key")

    assert (await world.plan()).id == (await world.plan()).id


class TestDeclared:
    @pytest.fixture
    def declared(self, world, monkeypatch):
        declare_key(world, '{env = "SHOP_KEY"}')
        monkeypatch.setenv("SHOP_KEY", "a long random text")
        return world

    async def test_a_declared_key_wins_over_the_stores(self, declared):
        await declared.store.put_key(b"the store's")

        assert await salt_of(declared) == b"a long random text".hex()

    async def test_a_declared_key_is_not_kept(self, declared):
        declared.write(secret())
        await declared.rollout()

        assert await declared.store.key() is None

    async def test_a_job_without_a_store_of_its_own_makes_the_same_plan(self, declared):
        declared.write(secret())
        first = await declared.plan()
        declared.store = MemoryStore().bind(declared.cluster)

        assert (await declared.plan()).id == first.id

    async def test_the_stores_key_can_be_handed_on(self, world, monkeypatch):
        kept = await salt_of(world, kept=True)
        declare_key(world, '{env = "SHOP_KEY"}')
        monkeypatch.setenv("SHOP_KEY", (await world.store.key()).decode())

        assert await salt_of(world) == kept

    async def test_a_key_is_read_of_a_file_beside_the_site(self, world):
        declare_key(world, '{file = "key.txt"}')
        (world.folder / "key.txt").write_text("from a file\n")

        assert await salt_of(world) == b"from a file".hex()

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('{env = "NO_SUCH_KEY"}', "variable NO_SUCH_KEY is not there"),
            ('{env = "EMPTY_KEY"}', "variable EMPTY_KEY is empty"),
            ('{file = "missing"}', "missing' is not there"),
            ('{file = "empty"}', "empty' is empty"),
            ('{file = "manifests"}', "cannot read"),
        ],
    )
    async def test_a_key_that_is_not_there_is_told(self, world, monkeypatch, text, why):
        monkeypatch.setenv("EMPTY_KEY", " \n")
        (world.folder / "empty").touch()
        declare_key(world, text)
        with pytest.raises(NotFound, match="site key") as told:
            await salt_of(world)

        assert why in told.value.message

    @pytest.mark.parametrize(
        "text",
        ['"hunter2"', '{env = "A", file = "B"}', "{}", "{block = 3}", "{env = 5}", '{env = ""}'],
    )
    def test_a_key_is_named_in_one_way_and_never_quoted(self, text):
        with pytest.raises(InvalidSpec, match=r"site\.key") as refused:
            parse_site(f"[site]\nkey = {text}\n")

        assert "hunter2" not in refused.value.message

    def test_the_environment_may_name_the_key(self):
        site = parse_site("", environ={"ROLLWRIGHT_SITE__KEY__ENV": "SHOP_KEY"})

        assert site.site.key == KeySource(env="SHOP_KEY")

    def test_without_a_site_no_key_is_declared(self, tmp_path):
        assert Site(load_site(None, start=tmp_path)).loaded.file.site.key is None


def guesses():
    digests = [sha256(one.encode()).hexdigest() for one in (VALUE, ENCODED)]
    bodies = [secret(), secret(data={"password": ENCODED})]
    return [VALUE, ENCODED, *digests, *(digest_of(one).removeprefix("sha256:") for one in bodies)]


def found_in(text):
    return [one for one in guesses() if one in text]


async def test_the_state_holds_nothing_to_guess(world):
    world.write(secret())
    await world.rollout()

    assert found_in(repr(await world.state())) == []


async def test_no_progress_shows_a_value(world):
    world.write(secret())
    report = await world.rollout()

    assert found_in(repr(world.heard) + repr(report)) == []


@pytest.mark.parametrize(
    "body",
    [
        secret(data={"password": VALUE}),
        secret(data={"password": [VALUE]}),
        secret(data=VALUE),
        secret(stringData={"password": {"a": VALUE}}),
        secret(stringData={"password": VALUE}, immutable=VALUE),
        secret(type=[VALUE]),
        secret(stringData={"password": VALUE}, metadata={"name": "login", "labels": VALUE}),
        {"apiVersion": "v1", "kind": "List", "items": [secret(data={"password": VALUE})]},
    ],
)
async def test_no_validators_complaint_quotes_a_value(world, body):
    world.declare(validate=["schema"])
    world.write(body)
    with pytest.raises(RolloutError) as refused:
        await world.plan()
    shown = "".join(traceback.format_exception(refused.value))

    assert found_in(shown) == []


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/password", "value": "x"},
        {"op": "remove", "path": "/data/password/a"},
        {"op": "replace", "path": "/data/password/0/b", "value": "x"},
        {"op": "add", "path": "/data/password/-", "value": "x"},
    ],
)
async def test_no_transformers_complaint_quotes_a_value(world, operation):
    patch = {"use": "patch", "with": {"target": {"kind": "Secret"}, "patch": [operation]}}
    world.declare(transform=[patch])
    world.write(secret(data={"password": ENCODED}))
    with pytest.raises(RolloutError) as refused:
        await world.plan()
    shown = "".join(traceback.format_exception(refused.value))

    assert found_in(shown) == []


async def test_a_wait_for_a_value_does_not_show_it(world):
    annotations = {"rollwright.dev/wait-for": f"jsonpath={{.data.password}}={ENCODED}x"}
    metadata = {"name": "login", "annotations": annotations}
    world.declare(health={"timeout": "1s"})
    world.write({**secret(data={"password": ENCODED}), "metadata": metadata})
    report = await world.rollout()
    shown = json.dumps([one.message for one in report.changes])

    assert "not met" in shown
    assert found_in(shown) == []
