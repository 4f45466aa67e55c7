"""Marks of a deletion: what is written on objects, and when they may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest
from jsonpatch import JsonPatch

from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.pruning.marks import (
    PENDING,
    make_removal_mark,
    mark_text,
    marking,
    not_due,
    releasing,
    unmarking,
)
from rollwright.rollouts.pruning.removal import make_removal
from rollwright.rollouts.state import RolloutState
from rollwright.stores.format import decode, encode

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
NOW = datetime(2025, 6, 1, tzinfo=UTC)
REMOVAL = make_removal_mark("sha256:1", "ada", NOW)
CONFIG, CLAIM = (
    ObjectRef("", kind, "shop", "a") for kind in ("ConfigMap", "PersistentVolumeClaim")
)


def a_live(**metadata):
    return live_object(w.a_body(metadata={"uid": "u", **metadata}))


def patched(live, operations):
    return JsonPatch([dict(one) for one in operations]).apply(live.body)["metadata"]


def test_the_mark_names_plan_and_time():
    assert mark_text(REMOVAL) == "sha256:1 2025-06-01T00:00:00Z"


@pytest.mark.parametrize("annotations", [None, {}, {"other": "1"}])
def test_a_marked_object_keeps_its_other_annotations(annotations):
    live = a_live(**({} if annotations is None else {"annotations": annotations}))

    found = patched(live, marking(live, "text"))["annotations"]

    assert found == {**(annotations or {}), PENDING: "text"}


def test_what_is_marked_like_that_is_not_written_again():
    assert marking(a_live(annotations={PENDING: "text"}), "text") == ()


def test_another_mark_is_written_over():
    live = a_live(annotations={PENDING: "old"})

    assert patched(live, marking(live, "new"))["annotations"] == {PENDING: "new"}


def test_the_mark_goes_and_the_rest_stays():
    live = a_live(annotations={PENDING: "text", "other": "1"})

    assert patched(live, unmarking(live))["annotations"] == {"other": "1"}


def test_what_has_no_mark_is_not_written():
    assert unmarking(a_live()) == ()


def test_another_object_of_that_name_is_never_changed():
    live = a_live(annotations={PENDING: "text"})
    (test, *_) = unmarking(live)

    assert test == {"op": "test", "path": "/metadata/uid", "value": "u"}


def test_a_released_object_has_no_label_of_ours():
    live = a_live(labels={"rollwright.dev/rollout": "shop", "app": "web"})

    assert patched(live, releasing(live, "shop", ["rollwright.dev/rollout"]))["labels"] == {
        "app": "web"
    }


def test_an_object_of_another_rollout_is_not_released():
    live = a_live(labels={"rollwright.dev/rollout": "blog"})

    assert releasing(live, "shop", ["rollwright.dev/rollout"]) == ()


@pytest.mark.parametrize(
    ("after", "waiting"),
    [
        (timedelta(minutes=14), {CONFIG, CLAIM}),
        (timedelta(minutes=15), {CLAIM}),
        (timedelta(hours=24), set()),
    ],
)
def test_each_kind_waits_its_time(after, waiting):
    assert set(not_due(REMOVAL, [CONFIG, CLAIM], NOW + after)) == waiting


def test_a_state_remembers_the_mark():
    state = RolloutState(rollout="shop", removal=REMOVAL)

    assert decode(encode(state), where="x", rollout="shop").removal == REMOVAL


def test_rolling_out_ends_the_mark_and_says_so():
    world = w.World()
    world.roll_out(w.a_config())
    world.state = RolloutState(
        rollout="shop", inventory=world.state.inventory, removal=REMOVAL, cluster_id=w.CLUSTER_ID
    )

    plan, _ = world.roll_out(w.a_config())

    assert any("rolling out takes the marks off" in note for note in plan.notes)
    assert (plan.is_done, world.state.removal) == (False, None)


def test_a_removal_keeps_the_mark_until_everything_is_gone():
    world = w.World()
    world.roll_out(w.a_config())
    world.state = RolloutState(rollout="shop", inventory=world.state.inventory, removal=REMOVAL)

    world.carry_out(make_removal("shop", world.live(), world.state))

    assert world.state.removal == REMOVAL
