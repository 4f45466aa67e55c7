"""One object's fate: who decides it, memory or the server, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pytest

from rollwright.rollouts.change import Forecast, Operation, Prediction
from rollwright.rollouts.fates import decide, is_ours, is_unchanged
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.state import InventoryEntry
from rollwright.testing.fake_apply import applied

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
LABEL = "rollwright.dev/rollout"


def rolled_out(*bodies):
    """Return a cluster after a successful rollout of these objects."""
    world = w.World()
    world.roll_out(*bodies)
    return world


def planned(world, *bodies, **facts):
    return w.only(world.plan(w.a_set(*bodies), **facts))


def asked(world, *bodies):
    """Return the names of the objects that a dry run is made for."""
    return [m.ref.name for m in w.candidates(w.a_set(*bodies), world.live(), world.state)]


# ------------------------------------------------------------------ who needs a dry run


def test_an_object_that_is_as_we_left_it_needs_no_dry_run():
    assert asked(rolled_out(w.a_config()), w.a_config()) == []


def test_a_new_object_needs_a_dry_run():
    assert asked(w.World(), w.a_config()) == ["a"]


def test_an_object_whose_source_changed_needs_a_dry_run():
    assert asked(rolled_out(w.a_config()), w.a_config(k="other")) == ["a"]


def test_an_object_whose_fields_somebody_changed_needs_a_dry_run():
    world = rolled_out(w.a_config())
    world.put(w.a_config(k="theirs"))

    assert asked(world, w.a_config()) == ["a"]


def test_a_field_that_somebody_added_is_not_ours():
    world = rolled_out(w.a_config())
    world.put(w.a_config(theirs="x"))

    assert asked(world, w.a_config()) == []


def test_a_change_of_the_status_only_needs_no_dry_run():
    world = rolled_out(w.a_config())
    world.edit(ref_of(w.a_config()), lambda body: body.update(status={"seen": 1}))

    assert asked(world, w.a_config()) == []


def test_the_same_version_needs_no_look_at_the_fields():
    manifest = w.a_manifest(w.a_config())
    live = live_object(
        w.a_config() | {"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}}
    )
    entry = InventoryEntry(
        ref=manifest.ref, api_version="v1", uid="u", wanted_digest=manifest.digest,
        owned_digest="sha256:something else", resource_version="7",
    )  # fmt: skip

    assert is_unchanged(manifest, live, entry)


@pytest.mark.parametrize(
    "facts",
    [
        {"uid": "other"},
        {"uid": ""},
        {"wanted_digest": "sha256:other"},
        {"resource_version": "6", "owned_digest": "sha256:other"},
        {"resource_version": "", "owned_digest": ""},
    ],
)
def test_memory_that_does_not_fit_asks_the_server(facts):
    manifest = w.a_manifest(w.a_config())
    live = live_object(
        w.a_config() | {"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}}
    )
    known = {"uid": "u", "wanted_digest": manifest.digest, "resource_version": "7", **facts}

    assert not is_unchanged(
        manifest, live, InventoryEntry(ref=manifest.ref, api_version="v1", **known)
    )


def test_an_object_without_fields_of_ours_is_unchanged_by_its_empty_digest():
    manifest = w.a_manifest(w.a_config())
    live = live_object(
        w.a_config() | {"metadata": {"name": "a", "uid": "u", "resourceVersion": "9"}}
    )
    entry = InventoryEntry(
        ref=manifest.ref, api_version="v1", uid="u", wanted_digest=manifest.digest,
        owned_digest=live.owned_digest, resource_version="7",
    )  # fmt: skip

    assert is_unchanged(manifest, live, entry)


def test_an_object_that_is_being_deleted_is_never_unchanged():
    world = rolled_out(w.a_config())
    ref = ref_of(w.a_config())
    world.edit(ref, lambda body: body["metadata"].update(deletionTimestamp="2025-01-01T00:00:00Z"))

    assert asked(world, w.a_config()) == ["a"]


# ------------------------------------------------------------------ what happens to it


def test_an_object_that_is_not_there_is_created():
    change = planned(w.World(), w.a_config())

    assert (change.operation, change.why) == (Operation.CREATE, "is not in the cluster")


def test_an_object_that_went_away_is_created_again():
    world = rolled_out(w.a_config())
    world.remove(ref_of(w.a_config()))

    change = planned(world, w.a_config())

    assert (change.operation, change.why) == (Operation.CREATE, "was applied before and is gone")


def test_an_object_as_applied_is_kept():
    change = planned(rolled_out(w.a_config()), w.a_config())

    assert (change.operation, change.why, change.is_remembered) == (
        Operation.KEEP, "as applied", True
    )  # fmt: skip


def test_an_object_whose_source_changed_is_updated():
    change = planned(rolled_out(w.a_config(k="1")), w.a_config(k="2"))

    assert (change.operation, change.why) == (Operation.UPDATE, "differs from the source")


def test_an_update_says_which_fields_change():
    change = planned(rolled_out(w.a_config(k="1")), w.a_config(k="2"))

    assert [(one.path, one.old, one.new) for one in change.fields] == [("data.k", "1", "2")]


def test_a_field_that_left_the_source_goes():
    change = planned(rolled_out(w.a_config(a="1", b="2")), w.a_config(a="1"))

    assert [(one.path, repr(one.new)) for one in change.fields] == [("data.b", "(absent)")]


def test_drift_is_told_apart_from_a_new_source():
    world = rolled_out(w.a_config(k="1"))
    world.put(w.a_config(k="theirs"))

    change = planned(world, w.a_config(k="1"))

    assert (change.operation, change.why) == (Operation.UPDATE, "was changed in the cluster")


def test_a_label_that_somebody_removed_comes_back_as_an_update():
    world = rolled_out(w.a_config())
    world.edit(ref_of(w.a_config()), lambda body: body["metadata"]["labels"].pop(LABEL))

    change = planned(world, w.a_config())

    assert (change.operation, change.why) == (Operation.UPDATE, "was changed in the cluster")


def test_an_object_that_somebody_created_again_is_adopted():
    world = rolled_out(w.a_config())
    world.recreate(ref_of(w.a_config()))

    change = planned(world, w.a_config())

    assert (change.operation, change.why) == (
        Operation.ADOPT, "was deleted and created again by somebody else"
    )  # fmt: skip


def test_an_object_of_somebody_else_is_adopted_with_the_name_of_its_manager():
    change = planned(w.World(w.a_config(k="theirs")), w.a_config(k="ours"))

    assert (change.operation, change.why) == (
        Operation.ADOPT, "exists and is not ours yet; managed by kubectl-edit"
    )  # fmt: skip


def test_an_adopted_object_says_which_fields_it_takes():
    change = planned(w.World(w.a_config(k="theirs")), w.a_config(k="ours"))

    assert [(one.path, one.manager) for one in change.conflicts] == [("data.k", "kubectl-edit")]


def test_an_object_that_nobody_manages_is_adopted_too():
    world = w.World(w.a_config())
    world.edit(ref_of(w.a_config()), lambda body: body["metadata"].pop("managedFields"))
    change = planned(world, w.a_config())

    assert change.why == "exists and is not ours yet; managed by nobody"


def test_an_object_with_our_label_that_the_inventory_does_not_know_is_adopted():
    world = rolled_out(w.a_config())
    world.state = None

    change = planned(world, w.a_config())

    assert (change.operation, change.why) == (
        Operation.ADOPT, "carries our label, and the inventory does not know it"
    )  # fmt: skip


def test_an_adopted_object_without_any_difference_is_still_written():
    world = rolled_out(w.a_config())
    world.state = None

    assert not planned(world, w.a_config()).fields


def test_an_object_of_an_interrupted_run_is_ours_by_its_label():
    world = w.World()
    world.carry_out(world.plan(w.a_set(w.a_config("a"), w.a_config("b"))), writes=1)

    assert w.operations(world.plan(w.a_set(w.a_config("a"), w.a_config("b")))) == {
        "a": "keep", "b": "create"
    }  # fmt: skip


def test_what_an_interrupted_run_applied_is_kept_and_has_to_be_remembered():
    world = w.World()
    world.carry_out(world.plan(w.a_set(w.a_config())), writes=1)

    change = planned(world, w.a_config())

    assert (change.operation, change.why, change.is_remembered) == (
        Operation.KEEP, "nothing differs", False
    )  # fmt: skip


def test_a_survivor_that_is_wanted_again_is_kept_and_has_to_be_remembered():
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    world.roll_out(w.a_config("a"), failing={ref_of(w.a_config("b"))})

    change = w.fate(world.plan(w.a_set(w.a_config("a"), w.a_config("b"))), "b")

    assert (change.operation, change.is_remembered) == (Operation.KEEP, False)


def test_an_object_that_differs_in_writing_only_is_kept_and_has_to_be_remembered():
    world = rolled_out(w.a_config(annotations={"a": "b"}))
    world.edit(ref_of(w.a_config()), lambda body: body["metadata"].update(generation=2))
    manifest = w.a_set(w.a_config(annotations={"a": "b"})).manifests[0]
    entry = InventoryEntry(
        ref=manifest.ref, api_version="v1", uid=world.objects[manifest.ref]["metadata"]["uid"],
        wanted_digest="sha256:written otherwise",
    )  # fmt: skip
    predicted = Forecast(prediction=Prediction.SERVER, body=world.objects[manifest.ref])

    change = decide(manifest, live_object(world.objects[manifest.ref]), entry, predicted, salt="s")

    assert (change.operation, change.is_remembered) == (Operation.KEEP, False)


def test_an_object_that_was_noted_in_another_version_has_to_be_remembered():
    world = rolled_out(w.a_config())
    (manifest,) = w.a_set(w.a_config())
    entry = replace(world.state.inventory[0], api_version="v1beta1")

    change = decide(manifest, live_object(world.objects[manifest.ref]), entry, None, salt="s")

    assert (change.operation, change.is_remembered) == (Operation.KEEP, False)


def test_an_apply_that_only_takes_ownership_is_an_update():
    world = rolled_out(w.a_config(k="1"))
    world.put(w.a_config(theirs="x"))

    change = planned(world, w.a_config(k="1", theirs="x"))

    assert (change.operation, change.fields, change.why) == (
        Operation.UPDATE, (), "fields change their owner, not their value"
    )  # fmt: skip


def test_an_empty_map_that_comes_is_no_nothing():
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    metadata = {"name": "p", "namespace": "shop"}
    ours: dict[str, Any] = {"from": [{"podSelector": {}}]}
    theirs: dict[str, Any] = {"from": [{"podSelector": {}, "namespaceSelector": {}}]}
    world = rolled_out({**policy, "metadata": metadata, "spec": {"ingress": [ours]}})

    change = planned(world, {**policy, "metadata": metadata, "spec": {"ingress": [theirs]}})

    assert [one.path for one in change.fields] == ["spec.ingress[0].from[0].namespaceSelector"]


def test_an_object_that_somebody_is_deleting_is_replaced():
    world = rolled_out(w.a_config())
    ref = ref_of(w.a_config())
    world.edit(ref, lambda body: body["metadata"].update(deletionTimestamp="2025-01-01T00:00:00Z"))

    change = planned(world, w.a_config())

    assert (change.operation, change.is_immutable) == (Operation.REPLACE, False)


def test_an_object_that_is_being_deleted_is_replaced_without_a_dry_run_too():
    metadata = {"name": "a", "uid": "u", "deletionTimestamp": "2025-01-01T00:00:00Z"}
    manifest = w.a_manifest(w.a_config())

    change = decide(
        manifest, live_object(w.a_config() | {"metadata": metadata}), None, None, salt=""
    )

    assert (change.operation, change.prediction) == (Operation.REPLACE, Prediction.NONE)


def test_an_immutable_field_makes_a_replace_that_says_which():
    world = rolled_out(w.a_config(k="1"))
    world.immutable[ref_of(w.a_config())] = "data: field is immutable when `immutable` is set"

    change = planned(world, w.a_config(k="2"))

    assert (change.operation, change.is_immutable, change.why) == (
        Operation.REPLACE, True,
        "cannot be changed in place: data: field is immutable when `immutable` is set",
    )  # fmt: skip


def test_a_replaced_object_takes_no_field_of_anybody():
    world = w.World(w.a_config(k="theirs"))
    (manifest,) = w.a_set(w.a_config(k="ours"))
    found = world.forecast([manifest])[manifest.ref]
    immutable = Forecast(
        prediction=Prediction.SERVER, conflicts=found.conflicts, immutable=("data: immutable",)
    )

    change = decide(manifest, live_object(world.objects[manifest.ref]), None, immutable, salt="s")

    assert change.conflicts == ()


@pytest.mark.parametrize("prediction", [Prediction.SIMULATED, Prediction.NONE])
def test_what_cannot_be_predicted_is_updated_all_the_same(prediction):
    world = rolled_out(w.a_config(k="1"))
    (manifest,) = w.a_set(w.a_config(k="2"))
    (entry,) = world.state.inventory
    live = live_object(world.objects[manifest.ref])

    change = decide(manifest, live, entry, Forecast(prediction=prediction), salt="s")

    assert (change.operation, change.prediction, change.fields) == (
        Operation.UPDATE, prediction, ()
    )  # fmt: skip


def test_without_a_dry_run_nothing_is_predicted():
    world = rolled_out(w.a_config(k="1"))
    (manifest,) = w.a_set(w.a_config(k="2"))
    (entry,) = world.state.inventory

    change = decide(manifest, live_object(world.objects[manifest.ref]), entry, None, salt="s")

    assert (change.operation, change.prediction) == (Operation.UPDATE, Prediction.NONE)


def test_without_a_dry_run_an_object_of_somebody_else_is_still_adopted():
    (manifest,) = w.a_set(w.a_config(k="2"))

    change = decide(manifest, live_object(w.a_config()), None, None, salt="s")

    assert change.operation is Operation.ADOPT


@pytest.mark.parametrize(
    ("uid", "labels", "expected"),
    [
        ("u", {}, True),
        ("other", {LABEL: "shop"}, False),
        ("", {LABEL: "shop"}, True),
        ("", {}, False),
    ],
)
def test_an_object_is_ours_by_its_uid_and_while_only_intended_by_its_label(uid, labels, expected):
    live = live_object(w.a_body(metadata={"uid": "u", "labels": labels}))

    assert is_ours(live, InventoryEntry(ref=live.ref, api_version="v1", uid=uid)) is expected


def test_an_object_is_kept_by_memory_alone_when_the_dry_run_says_otherwise():
    world = rolled_out(w.a_config(k="1"))
    (manifest,) = w.a_set(w.a_config(k="1"))
    (entry,) = world.state.inventory
    liar = Forecast(
        prediction=Prediction.SERVER,
        body=applied(w.ApplyRequest(ref=manifest.ref, body=w.a_config(k="2")), None),
    )

    change = decide(manifest, live_object(world.objects[manifest.ref]), entry, liar, salt="s")

    assert change.operation is Operation.KEEP


def test_a_secret_that_changes_shows_no_value():
    world = rolled_out(w.a_body("Secret", data={"password": "b2xk"}))

    change = planned(world, w.a_body("Secret", data={"password": "bmV3"}))

    assert "bmV3" not in repr(change.fields)
    assert [one.path for one in change.fields] == ["data.password"]
