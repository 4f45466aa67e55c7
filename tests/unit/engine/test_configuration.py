"""The values that renderers get: entries of ``config``, their order, where each came from."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime

import pytest

from rollwright import library
from rollwright.engine.documents import load_rollout
from rollwright.engine.inputs.configuration import configure
from rollwright.engine.site import open_site
from rollwright.errors import InvalidManifests, InvalidSpec, Refused, RenderError
from rollwright.plugins.contracts import Checkout
from rollwright.rollouts.trigger import Trigger
from rollwright.testing.fake import FakeCluster

ROLLOUT = """\
apiVersion: rollwright.dev/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  source: {path: ./source}
  target: {namespace: shop}
"""
SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def body(kind, name, namespace="shop", **more):
    metadata = {"name": name, "namespace": namespace, **more.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


class Desk:
    """A document with its files, a site, and a cluster."""

    def __init__(self, folder):
        self.folder = folder
        self.cluster = FakeCluster([SHOP])
        self.trigger = None
        (folder / "source").mkdir(parents=True)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def configured(self, config, *, may_ask=True):
        self.write("rollout.yaml", f"{ROLLOUT}  config: {json.dumps(config)}\n")
        loaded = load_rollout(self.folder)
        checkout = Checkout(root=self.folder / "source", revision="r")
        async with open_site(loaded) as site:
            site.use_cluster(self.cluster)
            site.use_cluster(self.cluster, "other")
            site.trigger = self.trigger
            return await configure(site, loaded.spec, checkout, may_ask=may_ask)

    async def values(self, *config, **options):
        return dict((await self.configured(list(config), **options)).values)

    async def problems(self, *config, **options):
        with pytest.raises(InvalidSpec) as told:
            await self.configured(list(config), **options)
        return [str(one).replace(f"{self.folder}/", "") for one in told.value.problems]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "desk")


async def test_no_config_means_no_values(desk):
    assert await desk.values() == {}


async def test_later_values_win_and_maps_are_merged(desk):
    desk.write("base.yaml", "web: {replicas: 1, image: a, ports: [1, 2]}\ngone: 1\n")
    desk.write("last.yaml", "web: {image: b}\n")
    found = await desk.values(
        {"file": "base.yaml"},
        {"values": {"web": {"replicas": 3, "ports": [2]}, "gone": None}},
        {"file": "last.yaml"},
    )

    assert found == {"web": {"replicas": 3, "image": "b", "ports": [2]}, "gone": None}


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("a.yaml", "a: {b: 1}\n", {"a": {"b": 1}}),
        ("a.yml", "# nothing\n", {}),
        ("a.json", '{"a": [1]}', {"a": [1]}),
        ("a.toml", 'a = 2026-01-02\n[b]\nc = [1.5, "x"]\n', {"a": "2026-01-02", "b": {"c": [1.5, "x"]}}),
        ("a.env", "A=1\n# no\nB='x y'\nC=${A}\n", {"A": "1", "B": "x y", "C": "${A}"}),
        (".env", "A=1\n", {"A": "1"}),
        ("values", "a: 1\n", {"a": 1}),
    ],
)  # fmt: skip
async def test_files_are_read_by_their_suffix(desk, name, text, values):
    desk.write(name, text)

    assert await desk.values({"file": name}) == values


async def test_variables_of_this_process_do_not_come_in(desk, monkeypatch):
    monkeypatch.setenv("HOME_SECRET", "hunter2")
    desk.write("a.env", "A=${HOME_SECRET}\nB=$HOME_SECRET\n")

    assert await desk.values({"file": "a.env"}) == {"A": "${HOME_SECRET}", "B": "$HOME_SECRET"}


async def test_every_bad_file_of_values_is_told_at_once(desk):
    desk.write("list.yaml", "- 1\n")
    desk.write("two.yaml", "a: 1\n---\nb: 1\n")
    desk.write("bad.yaml", "a: [\n")
    desk.write("bad.toml", "a = \n")
    desk.write("bad.env", "A\n")
    names = ("none.yaml", "list.yaml", "two.yaml", "bad.yaml", "bad.toml", "bad.env", ".")
    told = await desk.problems(*({"file": name} for name in names))

    assert [line.split(" expected a line")[0][:62] for line in told] == [
        "rollout.yaml:7 spec.config[0].file: no file 'none.yaml' (the f",
        "rollout.yaml:7 spec.config[1].file: list.yaml:1: expected a ma",
        "rollout.yaml:7 spec.config[2].file: two.yaml:3: expected one d",
        "rollout.yaml:7 spec.config[3].file: bad.yaml:2:1: while parsin",
        "rollout.yaml:7 spec.config[4].file: bad.toml: not TOML: Invali",
        "rollout.yaml:7 spec.config[5].file: bad.env: 'A' has no value;",
        "rollout.yaml:7 spec.config[6].file: '.' is a folder; expected ",
    ]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../../outside.yaml", "../outside.yaml", "link.yaml", "~/x.yaml",
             "source/../../outside.yaml", "nowhere/../../outside2.yaml"],
)  # fmt: skip
async def test_a_file_outside_is_refused_with_its_place(desk, name):
    (desk.folder.parent / "outside.yaml").write_text("a: 1\n")
    (desk.folder / "link.yaml").symlink_to(desk.folder.parent / "outside.yaml")
    [told] = await desk.problems({"file": name})

    assert told.startswith(f"rollout.yaml:7 spec.config[0].file: '{name}' leads out of")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "~no-such-user-here/x"])
async def test_an_impossible_name_is_told(desk, name):
    [told] = await desk.problems({"file": name})

    assert "no file" in told


async def test_a_pipe_is_no_file(desk):
    os.mkfifo(desk.folder / "pipe.yaml")
    [told] = await desk.problems({"file": "pipe.yaml"})

    assert "is no regular file" in told


async def test_a_file_of_the_site_may_lie_above_the_document(tmp_path):
    (tmp_path / "site.toml").write_text("")
    (tmp_path / "shared.yaml").write_text("a: 1\n")

    assert await Desk(tmp_path / "app").values({"file": "../shared.yaml"}) == {"a": 1}


async def test_a_file_of_the_source_is_found_too(desk):
    desk.write("source/values.yaml", "a: 1\n")

    assert await desk.values({"file": "values.yaml"}) == {"a": 1}


async def test_values_are_put_below_a_key_or_at_a_place(desk):
    desk.write("a.yaml", "b: 1\n")
    found = await desk.values(
        {"file": "a.yaml", "as": "x.y"}, {"values": {"c": 2}, "at": "p.q"}, {"values": {"d": 3}}
    )

    assert found == {"x.y": {"b": 1}, "p": {"q": {"c": 2}}, "d": 3}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"file": "a", "values": {}}, "one of 'file' and 'values', not both"),
        ({"file": "a", "as": "x", "at": "y"}, "one place: 'as' or 'at', once"),
        ({"file": "a", "at": "a..b"}, "expected keys with dots"),
        ({"query": {"database": "m", "statement": "s"}}, "expected 'as'"),
        ({"objects": {"apiVersion": "v1", "kind": "Pod"}}, "expected 'as'"),
        ({"trigger": False}, "expected true, or {path: a.b}"),
        (
            {"objects": {"apiVersion": "v1", "kind": "Pod", "name": "a", "labels": {"a": "b"}},
             "as": "x"},
            "one of 'name' and 'labels', not both",
        ),
        (
            {"objects": {"apiVersion": "v1", "kind": "Pod", "labels": {"a": "b,c!=d"}}, "as": "x"},
            "not a label",
        ),
        (
            {"objects": {"apiVersion": "v1", "kind": "Pod", "as": "x"}, "as": "y"},
            "one place: 'as' or 'at', once",
        ),
    ],
)  # fmt: skip
def test_what_entries_may_not_say(desk, entry, message):
    desk.write("rollout.yaml", f"{ROLLOUT}  config: {json.dumps([entry])}\n")
    with pytest.raises(InvalidSpec) as told:
        load_rollout(desk.folder)

    assert message in str(told.value)


def a_trigger(**config):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Trigger(id="t", kind="resource", rollout="shop", actor="ada", received_at=at,
                   config=config, data={"deployments/list": [{"a": 1}]})  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ({"trigger": True}, {"spec": {"replicas": 2}, "name": "x"}),
        ({"trigger": {"path": "spec"}}, {"replicas": 2}),
        ({"trigger": {"path": "spec.replicas"}, "as": "count"}, {"count": 2}),
        ({"trigger": {"path": "spec", "as": "web"}}, {"web": {"replicas": 2}}),
        ({"trigger": {"path": "no.thing"}}, {}),
    ],
)
async def test_what_the_trigger_brought_comes_in(desk, entry, values):
    desk.trigger = a_trigger(spec={"replicas": 2}, name="x")

    assert await desk.values(entry) == values


async def test_without_a_trigger_there_is_nothing_of_it(desk):
    assert await desk.values({"trigger": True}, {"values": {"a": 1}}) == {"a": 1}


async def test_a_part_that_is_no_mapping_needs_a_key(desk):
    desk.trigger = a_trigger(name="x")
    [told] = await desk.problems({"trigger": {"path": "name"}})

    assert "brought no mapping at name" in told


async def test_what_the_trigger_watches_is_data(desk):
    desk.trigger = a_trigger()

    assert (await desk.configured([])).data == {"deployments/list": [{"a": 1}]}


async def test_without_entries_the_trigger_supplies_the_raw_configuration(desk):
    """DOC-1: a document that names a configuration of its own has that instead."""
    desk.trigger = a_trigger(name="x")
    alone = await desk.configured([])
    named = await desk.configured([{"values": {"a": 1}}])

    assert (alone.values, alone.data["generic-operator/config"]) == ({}, {"name": "x"})
    assert "generic-operator/config" not in named.data


OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "as": "found"}


async def test_one_object_is_read_by_its_name(desk):
    desk.cluster = FakeCluster([SHOP, body("ConfigMap", "a", data={"k": "v"})])
    found = await desk.values({"objects": {**OBJECT, "name": "a"}})

    assert found["found"]["data"] == {"k": "v"}
    assert "resourceVersion" not in found["found"]["metadata"]


async def test_objects_are_selected_by_labels_and_sorted(desk):
    objects = [
        body("ConfigMap", name, namespace, metadata={"labels": {"app": app}})
        for name, namespace, app in [("b", "shop", "x"), ("a", "shop", "x"), ("c", "shop", "y"),
                                     ("d", "other", "x")]
    ]  # fmt: skip
    desk.cluster = FakeCluster([SHOP, *objects])
    found = await desk.values({"objects": {**OBJECT, "labels": {"app": "x"}}})

    assert [one["metadata"]["name"] for one in found["found"]] == ["a", "b"]


async def test_objects_of_all_namespaces_are_asked_for_by_an_empty_one(desk):
    desk.cluster = FakeCluster([SHOP, body("ConfigMap", "a"), body("ConfigMap", "b", "other")])
    found = await desk.values({"objects": {**OBJECT, "namespace": ""}})

    assert len(found["found"]) == 2


async def test_another_cluster_may_be_asked(desk):
    desk.cluster = FakeCluster([SHOP, body("ConfigMap", "a")])
    found = await desk.values({"objects": {**OBJECT, "name": "a", "cluster": "other"}})

    assert found["found"]["metadata"]["name"] == "a"


async def test_an_object_that_is_not_there_is_told(desk):
    [told] = await desk.problems({"objects": {**OBJECT, "name": "a"}})

    assert told.startswith("rollout.yaml:7 spec.config[0].objects: no ConfigMap shop/a in cluster")


async def test_an_object_that_is_not_required_may_be_missing(desk):
    assert await desk.values({"objects": {**OBJECT, "name": "a", "required": False}}) == {
        "found": None
    }


async def test_a_kind_that_is_not_served_is_told(desk):
    [told] = await desk.problems({"objects": {**OBJECT, "kind": "Basket", "name": "a"}})

    assert "the cluster serves no Basket in v1" in told


async def test_a_command_without_a_cluster_says_what_it_needs(desk):
    [told] = await desk.problems({"objects": {**OBJECT, "name": "a"}}, may_ask=False)

    assert "this command asks none (name one: --cluster" in told


async def test_what_was_looked_up_is_a_premise(desk):
    entry = {"objects": {**OBJECT, "name": "a"}}
    desk.cluster = FakeCluster([SHOP, body("ConfigMap", "a", data={"k": "1"})])
    [live] = [one for ref, one in desk.cluster.objects.items() if ref.kind == "ConfigMap"]
    first = (await desk.configured([entry])).premises
    live["metadata"]["resourceVersion"] = "900"
    touched = (await desk.configured([entry])).premises
    live["data"]["k"] = "2"
    changed = (await desk.configured([entry])).premises

    assert list(first) == ["spec.config[0].objects (ConfigMap shop/a)"]
    assert first == touched
    assert first != changed


async def test_every_value_can_be_told_from_where_it_came(desk):
    desk.write("base.yaml", "web:\n  image: a\n  ports: [1, 2]\n  tag: x\n")
    desk.trigger = a_trigger(spec={"replicas": 2})
    found = await desk.configured([
        {"file": "base.yaml"},
        {"values": {"web": {"tag": "y"}}},
        {"trigger": {"path": "spec"}, "as": "asked"},
    ])  # fmt: skip
    told = {key: one.replace(f"{desk.folder}/", "") for key, one in found.provenance.items()}

    assert told == {
        "web.image": "base.yaml:2",
        "web.ports[0]": "base.yaml:3",
        "web.ports[1]": "base.yaml:3",
        "web.tag": "rollout.yaml:7 spec.config[1].values",
        "asked.replicas": "rollout.yaml:7 spec.config[2].trigger (trigger resource)",
    }


async def test_a_value_that_is_not_there_came_from_nowhere(desk):
    found = await desk.configured([{"values": {"a": {"b": 1}}}])

    assert found.origin_of(("a", "c")) is None
    assert found.origin_of(("x",)) is None


# Secrets


def a_secret(text):
    return body("Secret", "db", stringData={"password": text})


CHILD = {"objects": {"apiVersion": "v1", "kind": "Secret", "name": "db", "as": "db"}}


@pytest.fixture
def shop(world):
    """A world whose source is jsonnet that puts the password where a test says."""

    def declare(kind, config=CHILD, **more):
        field = "stringData" if kind == "Secret" else "data"
        text = (
            "local c = import 'generic-operator/config';"
            f"{{objects: {{a: {{apiVersion: 'v1', kind: '{kind}', metadata: {{name: 'a'}},"
            f" {field}: {{password: c.db.stringData.password}}}}}}}}"
        )
        (world.folder / "manifests" / "main.jsonnet").write_text(text)
        world.declare(
            config=[{**config, **more}],
            render={"use": "jsonnet", "with": {"entrypoint": "main.jsonnet"}},
        )
        return world

    world.cluster = FakeCluster([SHOP, a_secret("hunter2-hunter2")])
    return declare


async def test_a_secret_may_be_put_into_a_secret(shop):
    world = shop("Secret")
    plan = await world.plan()

    assert [str(one.ref) for one in plan.changes] == ["Secret/shop/a"]


async def test_a_secret_value_in_another_object_is_refused_and_not_quoted(shop):
    world = shop("ConfigMap")
    with pytest.raises(InvalidManifests) as told:
        await world.plan()

    assert "data.password: holds a value that is secret" in str(told.value)
    assert "hunter2" not in str(told.value)


async def test_a_value_may_be_declared_to_be_no_secret(shop):
    world = shop("ConfigMap", reveal=True)

    assert [str(one.ref) for one in (await world.plan()).changes] == ["ConfigMap/shop/a"]


async def test_an_error_of_a_renderer_does_not_quote_a_secret(shop):
    world = shop("Secret")
    (world.folder / "manifests" / "main.jsonnet").write_text(
        "local c = import 'generic-operator/config'; error 'no: ' + c.db.stringData.password"
    )
    with pytest.raises(RenderError) as told:
        await world.plan()

    assert "hunter2" not in str(told.value)


async def test_rendering_alone_says_that_it_needs_a_cluster(shop):
    world = shop("Secret")
    async with world.site() as site:
        with pytest.raises(InvalidSpec, match="this command asks none"):
            await library.render(world.folder, site=site)


async def test_rendering_asks_the_cluster_that_somebody_named(shop):
    world = shop("Secret")
    async with world.site() as site:
        site.may_ask = True

        assert len(await library.render(world.folder, site=site)) == 1


async def test_a_saved_plan_notices_that_what_was_looked_up_has_changed(shop, make, tmp_path):
    world = shop("ConfigMap", {"objects": {**OBJECT, "name": "settings"}, "values": None})
    (world.folder / "manifests" / "main.jsonnet").write_text(
        "{objects: {a: {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'a'}}}}"
    )
    world.cluster = FakeCluster([SHOP, body("ConfigMap", "settings", data={"k": "1"})])
    file = tmp_path / "plan.json"
    async with world.site() as site:
        await library.save_plan(world.folder, file, site=site)
    changed = FakeCluster([SHOP, body("ConfigMap", "settings", data={"k": "2"})])
    world.cluster.objects.update(changed.objects)
    async with world.site() as site:
        with pytest.raises(Refused, match=r"spec\.config\[0\]\.objects .*was changed"):
            await library.rollout(world.folder, plan=file, site=site)


STAND_IN = """#!{python}
import sys
text = open(sys.argv[-1]).read()
print("\\n".join(line for line in text.replace("ENC[hidden]", "hunter2-hunter2").splitlines()
      if "sops" not in line))
"""


async def test_an_encrypted_file_is_opened_and_its_texts_are_secret(desk, monkeypatch, tmp_path):
    program = tmp_path / "sops"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o700)
    monkeypatch.setenv("ROLLWRIGHT_SOPS", str(program))
    desk.write("a.yaml", "password: 'ENC[hidden]'\nhost: db.example\nsops: {mac: x}\n")
    found = await desk.configured([{"file": "a.yaml"}])

    assert found.values == {"password": "hunter2-hunter2", "host": "db.example"}
    assert found.hidden == {"hunter2-hunter2"}
    assert "hunter2" not in repr(found)


async def test_an_encrypted_file_that_cannot_be_opened_is_an_error(desk, monkeypatch):
    monkeypatch.setenv("ROLLWRIGHT_SOPS", "/nowhere/sops")
    desk.write("a.yaml", "password: 'ENC[hidden]'\nsops: {mac: x}\n")
    [told] = await desk.problems({"file": "a.yaml"})

    assert "spec.config[0].file: a.yaml: it is encrypted with SOPS" in told


class TestEnvironment:
    """Variables of the environment: those that the site allows (RE-17)."""

    @pytest.fixture(autouse=True)
    def _site(self, desk, monkeypatch):
        desk.write("site.toml", '[rendering]\nenvironment = ["SHOP_*"]\n')
        for name, text in {
            "COLOR": "blue-green",
            "COUNT": "3",
            "ON": "yes",
            "MAP": '{"a": 1}',
        }.items():
            monkeypatch.setenv(f"SHOP_{name}", text)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-hunter2")

    async def test_they_are_put_at_their_places_as_what_they_are_read_as(self, desk):
        found = await desk.values(
            {"values": {"web": {"color": "red", "image": "a"}}},
            {"environment": {
                "web.color": "SHOP_COLOR",
                "count": {"name": "SHOP_COUNT", "type": "integer"},
                "on": {"name": "SHOP_ON", "type": "boolean"},
                "map": {"name": "SHOP_MAP", "type": "json"},
                "as": {"name": "SHOP_NONE", "default": None},
            }},
        )  # fmt: skip

        assert found == {
            "web": {"color": "blue-green", "image": "a"},
            "count": 3, "on": True, "map": {"a": 1}, "as": None,
        }  # fmt: skip

    async def test_the_site_lists_what_may_be_read(self, desk):
        [told] = await desk.problems({"environment": {"key": "AWS_SECRET_ACCESS_KEY"}})

        assert "allows no document to read AWS_SECRET_ACCESS_KEY of the environment" in told
        assert "hunter2" not in told

    async def test_what_is_missing_or_of_another_form_is_told_without_its_text(self, desk):
        told = await desk.problems(
            {"environment": {"a": "SHOP_NONE"}},
            {"environment": {"a": {"name": "SHOP_COLOR", "type": "integer"}}},
        )

        assert "no SHOP_NONE in the environment" in told[0]
        assert "the variable SHOP_COLOR is not an integer" in told[1]
        assert "blue-green" not in "".join(told)

    async def test_they_are_secret_unless_they_are_revealed(self, desk):
        entry = {"environment": {"color": "SHOP_COLOR"}}

        assert (await desk.configured([entry])).hidden == {"blue-green"}
        assert (await desk.configured([{**entry, "reveal": True}])).hidden == frozenset()


@pytest.mark.parametrize(
    ("when", "counts"),
    [
        ("values.tier == 'prod'", True),
        ("values.tier == 'dev'", False),
        ("has(values.other)", False),
        ("target.namespace == 'shop' && rollout.name != ''", True),
        ("trigger.kind == 'push'", False),
    ],
)
async def test_an_entry_counts_when_its_condition_holds(desk, when, counts):
    found = await desk.values({"values": {"tier": "prod"}}, {"values": {"a": 1}, "when": when})

    assert ("a" in found) is counts


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("values.tier ==", "when: "),
        ("nobody.there", "undeclared reference"),
        ("values.other.more == 'x'", "has no value: does all of it exist?"),
        ("'text'", "expected true or false"),
    ],
)
async def test_a_condition_that_cannot_be_told_is_an_error(desk, when, words):
    [told] = await desk.problems({"values": {"a": 1}, "when": when})

    assert told.startswith("rollout.yaml:")
    assert words in told


async def test_the_reader_of_an_entry_that_does_not_count_is_not_asked(desk):
    assert await desk.values({"file": "nowhere.yaml", "when": "false"}) == {}
