"""The trigger ``resource``: what it fires for, and what it leaves alone."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from rollwright.errors import ClusterError, InvalidSpec, NotFound, Refused, Unreachable
from rollwright.plugins.contracts import Firing, ListenRequest
from rollwright.rollouts.instances import instance_name
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.triggering.keys import transformed
from rollwright.testing.fake import FakeCluster
from rollwright.testing.fake_kinds import builtin_kinds, served_kind
from rollwright.triggers.resource.guard import FINALIZER
from rollwright.triggers.resource.listener import Resource
from rollwright.triggers.resource.turns import Turn, Turns

API = "monitoring.example.com/v1"
TO_MAIN = [
    {"action": "keep", "regex": "(.*)/grafana-(.*)"},
    {"action": "replace", "regex": "(.*)/grafana-(.*)", "replacement": "$1/$2"},
]
WATCHED: dict[str, Any] = {
    "mainResource": "grafanas",
    "resources": [
        {"name": "grafanas", "kind": "Grafana", "apiVersion": API},
        {
            "name": "deployments", "kind": "Deployment", "apiVersion": "apps/v1",
            "keyTransformations": TO_MAIN,
        },
    ],
}  # fmt: skip


def ref(name, kind="Grafana"):
    group = API.partition("/")[0] if kind == "Grafana" else "apps"
    return ObjectRef(group, kind, "default", name)


def grafana(name="main", replicas=1, **metadata):
    return {
        "apiVersion": API, "kind": "Grafana",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"replicas": replicas},
    }  # fmt: skip


def deployment(name="grafana-main", image="a", **metadata):
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", **metadata}, "spec": {"image": image},
    }  # fmt: skip


class Watchers:
    """A trigger with its cluster, and what it fired."""

    def __init__(self, *objects, known=(), per_key=True, **options):
        kinds = (*builtin_kinds(), served_kind(API, "Grafana", "grafanas"))
        self.cluster = FakeCluster(objects, kinds=kinds)
        self.plugin = Resource.model_validate({**WATCHED, "debounce": "0s", **options})
        self.failures, self.known = [], dict.fromkeys(known, "uid")
        self.fired: asyncio.Queue[Firing] = asyncio.Queue()
        self.request = self.request_of(per_key=per_key)

    def request_of(self, *, per_key=True, folders=()):
        async def nothing(*_about):
            return {}

        async def cluster(_name):
            return self.cluster

        async def known():
            return self.known

        return ListenRequest(
            name="t", rollouts=("shop",), clusters=cluster, query=nothing, resolve=nothing,
            touches=nothing, recall=nothing, remember=nothing, failed=self.failures.append,
            is_per_key=per_key, known=known, folders=folders,
        )  # fmt: skip

    @asynccontextmanager
    async def listening(self):
        """Listen while inside."""

        async def listen():
            async for firing in self.plugin.listen(self.request):
                self.fired.put_nowait(firing)

        task = asyncio.create_task(listen())
        try:
            count = len({one.request for one in self.plugin.resources})
            while len(self.cluster.sent("watch")) < count and not task.done():
                await asyncio.sleep(0)
            await self.rest()
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def rest(self):
        """Let everything happen that is about to."""
        for _ in range(60):
            await asyncio.sleep(0)
        await asyncio.sleep(0.005)
        for _ in range(60):
            await asyncio.sleep(0)

    async def taken(self):
        await self.rest()
        return [self.fired.get_nowait() for _ in range(self.fired.qsize())]

    def change(self, what, change):
        body = deepcopy(self.cluster.objects[what])
        change(body)
        self.cluster.put(body)


async def test_what_is_there_fires_once_with_itself_as_the_configuration():
    world = Watchers(grafana(replicas=50), grafana("other"), deployment())
    async with world.listening():
        fired = await world.taken()

    assert [one.key for one in fired] == ["default/main", "default/other"]
    assert fired[0].config["spec"] == {"replicas": 50}
    assert (fired[0].subject.kind, fired[0].subject.generation) == ("Grafana", 1)


async def test_an_event_of_another_resource_fires_for_the_main_one():
    world = Watchers(grafana(), deployment())
    async with world.listening():
        await world.taken()
        world.change(ref("grafana-main", "Deployment"), lambda one: one["spec"].update(image="b"))
        fired = await world.taken()

    assert [(one.key, one.mark) for one in fired] == [("default/main", "")]
    assert fired[0].config["kind"] == "Grafana"


@pytest.mark.parametrize("name", ["grafana-nobody", "prometheus-main"])
async def test_an_event_that_hits_nothing_does_nothing(name):
    world = Watchers(grafana())
    async with world.listening():
        await world.taken()
        world.cluster.put(deployment(name))
        fired = await world.taken()

    assert fired == []


async def test_a_status_never_fires():
    world = Watchers(grafana(), deployment())
    async with world.listening():
        await world.taken()
        world.change(ref("main"), lambda one: one.update(status={"a": 1}))
        world.change(ref("grafana-main", "Deployment"), lambda one: one.update(status={"a": 1}))
        fired = await world.taken()

    assert fired == []


async def test_what_our_own_run_wrote_does_not_fire():
    world = Watchers(grafana())
    labels = {"rollwright.dev/rollout": instance_name("shop", "default/main")}
    managers = [{"manager": "rollwright", "operation": "Apply", "time": "1"}]
    async with world.listening():
        await world.taken()
        world.cluster.put(deployment(labels=labels, managedFields=managers))
        fired = await world.taken()

    assert fired == []


async def test_what_a_run_made_fires_when_somebody_deletes_it():
    world = Watchers(grafana(), deployment())
    async with world.listening():
        await world.taken()
        world.cluster.remove(ref("grafana-main", "Deployment"))
        fired = await world.taken()

    assert [one.key for one in fired] == ["default/main"]


async def test_the_annotation_fires_and_its_value_is_the_token():
    world = Watchers(grafana())
    async with world.listening():
        await world.taken()
        asked = {"rollwright.dev/requested-at": "now"}
        world.change(ref("main"), lambda one: one["metadata"].update(annotations=asked))
        fired = await world.taken()

    assert [one.token for one in fired] == ["now"]


async def test_many_events_within_a_moment_are_one_firing():
    world = Watchers(grafana(), deployment(), debounce="50ms")
    async with world.listening():
        for number in range(100):
            world.change(ref("main"), lambda one, n=number: one["spec"].update(replicas=n + 2))
        await asyncio.wait_for(world.fired.get(), 5)
        rest = await world.taken()

    assert rest == []


async def test_a_key_that_never_rests_has_its_turn():
    turns = Turns(0.02)
    taking = asyncio.create_task(turns.take())
    while not taking.done():
        turns.ask(Turn("a"))
        await asyncio.sleep(0.001)

    assert (await taking).key == "a"


async def test_reasons_of_one_key_are_joined():
    turns = Turns(0.0)
    for turn in (Turn("a"), Turn("a", origin="x"), Turn("a", gone="uid"), Turn("a")):
        turns.ask(turn)

    assert await turns.take() == Turn("a", "x", "uid")
    assert len(turns) == 0


async def test_the_main_object_gets_the_finalizer_and_keeps_those_of_others():
    world = Watchers(grafana(finalizers=["other/one"]))
    async with world.listening():
        await world.taken()

    assert world.cluster.objects[ref("main")]["metadata"]["finalizers"] == ["other/one", FINALIZER]


async def test_a_finalizer_is_written_anew_where_somebody_was_faster():
    world = Watchers(grafana())
    world.cluster.fail("patch", ref("main"), ClusterError("moved", status=409))
    async with world.listening():
        fired = await world.taken()

    assert len(fired) == 1
    assert world.cluster.objects[ref("main")]["metadata"]["finalizers"] == [FINALIZER]


@pytest.mark.parametrize("more", [{"finalizer": False}, {"per_key": False}])
async def test_without_instances_or_by_option_there_is_no_finalizer(more):
    world = Watchers(grafana(), **more)
    async with world.listening():
        await world.taken()

    assert "finalizers" not in world.cluster.objects[ref("main")]["metadata"]


async def test_a_deletion_fires_once_and_lets_go_after_the_removal():
    world = Watchers(grafana(finalizers=[FINALIZER]))
    async with world.listening():
        await world.taken()
        going = {"deletionTimestamp": "2025-01-01T00:00:00Z"}
        world.change(ref("main"), lambda one: one["metadata"].update(going))
        fired = await world.taken()
        world.change(ref("main"), lambda one: one.update(status={"a": 1}))
        world.change(ref("main"), lambda one: one["metadata"].update(labels={"a": "b"}))
        again = await world.taken()

    assert [(one.key, one.is_gone) for one in fired] == [("default/main", True)]
    assert again == []
    assert world.cluster.objects[ref("main")]["metadata"]["finalizers"] == [FINALIZER]
    await world.plugin.removed(world.request, fired[0])
    assert world.cluster.objects[ref("main")]["metadata"]["finalizers"] == []


async def test_letting_go_of_what_came_back_leaves_it_guarded():
    world = Watchers(grafana(finalizers=[FINALIZER]))
    async with world.listening():
        (firing,) = await world.taken()
    await world.plugin.removed(world.request, firing)

    assert world.cluster.objects[ref("main")]["metadata"]["finalizers"] == [FINALIZER]


async def test_without_a_finalizer_the_end_of_an_object_fires():
    world = Watchers(grafana(), finalizer=False)
    async with world.listening():
        await world.taken()
        world.cluster.remove(ref("main"))
        fired = await world.taken()

    assert [(one.key, one.is_gone) for one in fired] == [("default/main", True)]


async def test_an_object_that_is_deleted_and_created_again_is_there():
    world = Watchers(grafana(), finalizer=False, debounce="20ms")
    async with world.listening():
        await asyncio.wait_for(world.fired.get(), 5)
        world.cluster.remove(ref("main"))
        world.cluster.put(grafana(replicas=7))
        firing = await asyncio.wait_for(world.fired.get(), 5)

    assert (firing.is_gone, firing.config["spec"]["replicas"]) == (False, 7)


async def test_an_object_that_was_let_go_is_not_removed_twice():
    world = Watchers(grafana(finalizers=[FINALIZER]))
    async with world.listening():
        await world.taken()
        going = {"deletionTimestamp": "2025-01-01T00:00:00Z"}
        world.change(ref("main"), lambda one: one["metadata"].update(going))
        await world.taken()
        world.cluster.remove(ref("main"))
        again = await world.taken()

    assert again == []


async def test_an_object_is_let_go_whatever_its_key_becomes():
    """A Deployment's event had it guarded; events of its own are dropped."""
    main = {**WATCHED["resources"][0], "keyTransformations": [{"action": "drop"}]}
    world = Watchers(grafana(), deployment(), resources=[main, WATCHED["resources"][1]])
    async with world.listening():
        there = await world.taken()
        going = {"deletionTimestamp": "2025-01-01T00:00:00Z"}
        world.change(ref("main"), lambda one: one["metadata"].update(going))
        fired = await world.taken()

    assert [(one.key, one.is_gone) for one in there] == [("default/main", False)]
    assert [(one.key, one.is_gone) for one in fired] == [("default/main", True)]


async def test_an_object_that_cannot_be_guarded_stops_no_other(monkeypatch):
    monkeypatch.setattr("rollwright.triggers.resource.lookout.AGAIN_SECONDS", 0.01)
    world = Watchers(grafana("bad"), grafana("good"))
    world.cluster.fail("patch", ref("bad"), ClusterError("it is invalid", status=422))
    async with world.listening():
        fired = [await asyncio.wait_for(world.fired.get(), 5) for _ in range(2)]

    assert [one.key for one in fired] == ["default/good", "default/bad"]
    assert [str(one) for one in world.failures] == ["it is invalid"]


async def test_a_kind_is_waited_for_that_is_not_served_yet(monkeypatch):
    monkeypatch.setattr("rollwright.triggers.resource.listener.KIND_SECONDS", 0.0)
    world, told = Watchers(grafana()), []
    world.request = replace(world.request, recovered=lambda: told.append("well"))
    absent = ClusterError("no such kind", status=404, reason="KindNotServed")
    world.cluster.fail("watch", "Grafana", absent, absent)
    async with world.listening():
        firing = await asyncio.wait_for(world.fired.get(), 5)

    assert firing.key == "default/main"
    assert (len(world.failures), told) == (2, ["well"])


async def test_what_was_told_before_a_definition_went_is_not_lost(monkeypatch):
    monkeypatch.setattr("rollwright.triggers.resource.listener.KIND_SECONDS", 60.0)
    world = Watchers(grafana(), finalizer=False, debounce="20ms")
    absent = ClusterError("no such kind", status=404, reason="KindNotServed")
    async with world.listening():
        await asyncio.wait_for(world.fired.get(), 5)
        world.cluster.remove(ref("main"))
        world.cluster.fail("get", "Grafana", absent)
        world.cluster.end_watches(absent)
        firing = await asyncio.wait_for(world.fired.get(), 5)

    assert (firing.key, firing.is_gone) == ("default/main", True)


async def test_one_rollout_for_all_keeps_when_an_object_is_deleted():
    world = Watchers(grafana(), per_key=False)
    async with world.listening():
        await world.taken()
        world.cluster.remove(ref("main"))
        fired = await world.taken()

    assert fired == []


async def test_a_finalizer_of_former_options_keeps_nobody():
    going = {"deletionTimestamp": "2025-01-01T00:00:00Z"}
    world = Watchers(grafana(finalizers=[FINALIZER], **going), per_key=False)
    async with world.listening():
        fired = await world.taken()

    assert (fired, world.cluster.objects[ref("main")]["metadata"]["finalizers"]) == ([], [])


async def test_one_rollout_cannot_be_about_several_objects():
    world = Watchers(grafana(), grafana("other"), per_key=False)
    async with world.listening() as task:
        with pytest.raises(Refused, match="2 objects of kind Grafana"):
            await task


async def test_what_vanished_while_nobody_listened_is_found():
    world = Watchers(grafana(), known=("default/main", "default/lost"))
    async with world.listening():
        fired = await world.taken()

    assert {(one.key, one.is_gone) for one in fired} == {
        ("default/main", False), ("default/lost", True),
    }  # fmt: skip


async def test_what_is_only_not_selected_any_more_stays():
    resources = [{**WATCHED["resources"][0], "labelSelector": "app=x"}, WATCHED["resources"][1]]
    labels = {"app": "x"}
    world = Watchers(
        grafana(labels=labels), grafana("lost"), known=("default/lost",), resources=resources
    )
    async with world.listening():
        fired = await world.taken()

    assert [one.key for one in fired] == ["default/main"]
    assert "is not selected any more" in str(world.failures[0])


async def test_ids_are_the_same_for_whoever_listens_next():
    ids = []
    world = Watchers(grafana())
    for _ in range(2):
        async with world.listening():
            ids += [one.id for one in await world.taken()]
        world.cluster.requests.clear()

    assert len(ids) == 2
    assert len(set(ids)) == 1


async def test_every_object_is_looked_at_again_where_that_is_asked_for(monkeypatch):
    monkeypatch.setattr("rollwright.triggers.resource.listener._SHORTEST_RESYNC", 0.0)
    world = Watchers(grafana(), resync="1ms")
    async with world.listening():
        first = await asyncio.wait_for(world.fired.get(), 5)
        again = await asyncio.wait_for(world.fired.get(), 5)

    assert first.mark
    assert not again.mark
    assert first.id != again.id


async def test_a_watch_that_cannot_go_on_ends_the_listening():
    world = Watchers(grafana())
    world.cluster.fail("watch", "Deployment", Unreachable("gone"))
    async with world.listening() as task:
        with pytest.raises(Unreachable):
            await task


async def test_kinds_with_one_selector_are_watched_once():
    twin = {**WATCHED["resources"][1], "name": "twin", "keyTransformations": []}
    world = Watchers(grafana(), resources=[*WATCHED["resources"], twin])
    async with world.listening():
        await world.taken()

    assert sorted(one.kind for one in world.cluster.sent("watch")) == ["Deployment", "Grafana"]


async def test_a_run_gets_the_newest_object_and_all_lists():
    world = Watchers(grafana(), deployment("grafana-b"), deployment("grafana-a"))
    async with world.listening():
        (firing,) = await world.taken()
        world.change(ref("main"), lambda one: one["spec"].update(replicas=9))
        await world.rest()
        fresh = await world.plugin.freshen(world.request, firing)
    assert fresh

    assert (fresh.id, fresh.config["spec"]["replicas"]) == (firing.id, 9)
    assert fresh.mark != firing.mark
    names = [one["metadata"]["name"] for one in fresh.data["deployments/list"]]
    assert (names, len(fresh.data["grafanas/list"])) == (["grafana-a", "grafana-b"], 1)
    assert "managedFields" not in fresh.config["metadata"]


async def test_a_process_that_does_not_listen_asks_the_cluster():
    world = Watchers(grafana(), deployment())
    async with world.listening():
        (firing,) = await world.taken()
    fresh = await world.plugin.freshen(world.request, firing)
    assert fresh

    assert len(fresh.data["deployments/list"]) == 1


@pytest.mark.parametrize("is_gone", [True, False])
async def test_there_is_nothing_to_run_for_without_the_object(is_gone):
    world = Watchers(grafana())
    async with world.listening():
        (firing,) = await world.taken()
    if is_gone:
        world.cluster.remove(ref("main"))
    else:
        going = {"deletionTimestamp": "2025-01-01T00:00:00Z"}
        world.change(ref("main"), lambda one: one["metadata"].update(going))

    assert await world.plugin.freshen(world.request, firing) is None


SECRET = {
    "apiVersion": "v1", "kind": "Secret",
    "metadata": {
        "name": "main", "namespace": "default",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "a": "b"},
    },
    "data": {"password": "aHVudGVyMg=="},
}  # fmt: skip


@pytest.mark.parametrize("reveal", [False, True])
async def test_values_of_secrets_are_given_only_by_leave(reveal):
    entry = {"name": "secrets", "kind": "Secret", "apiVersion": "v1", "reveal": reveal}
    world = Watchers(SECRET, mainResource="secrets", resources=[entry], finalizer=False)
    async with world.listening() as task:
        (firing,) = await world.taken()
        fresh = await world.plugin.freshen(world.request, firing)
        assert not task.done()
        assert fresh

    assert firing.config == {}
    assert ("aHVudGVyMg==" in json.dumps([fresh.config, fresh.data["secrets/list"]])) is reveal
    assert ("hunter2" in json.dumps([fresh.config, fresh.data["secrets/list"]])) is reveal
    assert "hunter2" not in repr(fresh)


async def test_a_thousand_objects_are_one_watch_and_each_waits_once():
    world = Watchers(
        *(grafana(f"g{number}") for number in range(1000)), debounce="1h", finalizer=False
    )
    async with world.listening():
        for number in range(1000):
            for count in range(3):
                world.change(
                    ref(f"g{number}"), lambda one, c=count: one["spec"].update(replicas=c + 5)
                )
        await world.rest()

    assert len(world.cluster.sent("watch")) == 2
    assert world.cluster.sent("list") == ()
    assert world.cluster.sent("get") == ()


def test_options_of_the_older_file_are_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(WATCHED))
    plugin = Resource.model_validate({"file": "config.json"})
    world = Watchers()

    watching = asyncio.run(plugin._watching(world.request_of(folders=(tmp_path,))))

    assert [one.name for one in watching.resources] == ["grafanas", "deployments"]
    assert watching.main.kind == "Grafana"


async def test_what_is_empty_in_an_older_file_is_as_good_as_left_out(tmp_path):
    (tmp_path / "config.yaml").write_text("""
mainResource: a
resources:
- name: a
  kind: A
  apiVersion: v1
  namespace:
  labelSelector: {matchLabels: {x: app}, matchExpressions: null}
  keyTransformations:
  - {action: "", regex: "", replacement: ""}
""")
    plugin = Resource.model_validate({"file": "config.yaml"})
    watching = await plugin._watching(Watchers().request_of(folders=(tmp_path,)))

    assert watching.main.request.label_selector == "x=app"
    assert transformed("default/main", watching.main.transformations) == "default/main"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (None, NotFound, "no file 'config.yaml'"),
        ("resources: []", InvalidSpec, "missing"),
        (
            "mainResource: a\nresources: [{name: b, kind: A, apiVersion: v1}]",
            InvalidSpec,
            "known: b",
        ),
        ("mainResource: a\nresources: [{name: a, kind: A}]", InvalidSpec, "apiVersion"),
        ("- 1", InvalidSpec, "1 problem"),
    ],
)
async def test_an_older_file_that_is_wrong_is_told(tmp_path, text, error, words):
    if text:
        (tmp_path / "config.yaml").write_text(text)
    plugin = Resource.model_validate({"file": "config.yaml"})

    with pytest.raises(error, match=words):
        await plugin._watching(Watchers().request_of(folders=(tmp_path,)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {**WATCHED, "file": "a.yaml"},
        {**WATCHED, "mainResource": "nobody"},
        {**WATCHED, "resync": "1ms"},
        {**WATCHED, "resources": [WATCHED["resources"][0], WATCHED["resources"][0]]},
        {"mainResource": "a", "resources": [
            {"name": "a", "kind": "A", "apiVersion": "v1",
             "keyTransformations": [{"regex": "("}]}]},
        {"mainResource": "a", "resources": [
            {"name": "a", "kind": "A", "apiVersion": "v1",
             "keyTransformations": [{"action": "move"}]}]},
        {"mainResource": "a", "resources": [
            {"name": "a", "kind": "A", "apiVersion": "v1",
             "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]},
    ],
)  # fmt: skip
def test_options_without_sense_are_refused(options):
    with pytest.raises(ValidationError):
        Resource.model_validate(options)


def test_a_label_selector_is_text_or_parts():
    parts = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]}
    entries = [
        {"name": "a", "kind": "A", "apiVersion": "v1", "labelSelector": parts},
        {"name": "b", "kind": "A", "apiVersion": "v1", "labelSelector": "a=b,c"},
    ]
    plugin = Resource.model_validate({"mainResource": "a", "resources": entries})

    first, second = (one.request for one in plugin.resources)
    assert first == second
    assert first.label_selector == "a=b,c"
