"""The plan that removes a whole rollout."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

from rollwright.rollouts.change import Operation
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.pruning.removal import make_removal

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))


def rolled_out(*bodies, **options):
    world = w.World(**options)
    world.roll_out(*bodies)
    return world


def removal(world, **facts):
    return make_removal("shop", world.live(**facts), world.state)


def test_everything_of_the_inventory_goes():
    plan = removal(rolled_out(w.a_config("a"), w.a_config("b")))

    assert {change.operation for change in plan.changes} == {Operation.PRUNE}


def test_protected_kinds_go_too_as_the_name_was_confirmed():
    plan = removal(rolled_out(w.a_body("PersistentVolumeClaim", spec={}), w.a_crd()))

    assert [change.ref.kind for change in plan.changes] == [
        "CustomResourceDefinition", "PersistentVolumeClaim"
    ]  # fmt: skip


def test_content_goes_before_its_namespace():
    plan = removal(rolled_out(w.a_config(), w.a_body("Namespace", "shop", "")))

    assert [change.ref.kind for change in plan.changes] == ["ConfigMap", "Namespace"]


def test_what_an_annotation_keeps_stays_with_its_namespace():
    kept = w.a_config(annotations={"helm.sh/resource-policy": "keep"})

    plan = removal(rolled_out(kept, w.a_config("b"), w.a_body("Namespace", "shop", "")))

    assert ([c.ref.name for c in plan.changes], [ref.name for ref in plan.kept]) == (
        ["b"], ["a", "shop"]
    )  # fmt: skip


def test_objects_of_nobody_are_never_touched():
    world = rolled_out(w.a_config("a"))
    world.put(w.a_config("theirs"))

    assert [change.ref.name for change in removal(world).changes] == ["a"]


def test_the_namespace_of_the_target_stays():
    world = w.World(spec=w.a_spec(target={"namespace": "shop"}))
    world.carry_out(world.plan(w.a_set(w.a_config()), absent_namespaces=frozenset({"shop"})))

    assert [change.ref.kind for change in removal(world).changes] == ["ConfigMap"]


def test_a_rollout_that_never_finished_is_removed_with_what_it_made():
    world = w.World()
    world.carry_out(world.plan(w.a_set(w.a_config("a"), w.a_config("b"))), writes=1)

    plan = removal(world)

    assert ([c.ref.name for c in plan.changes], [ref.name for ref in plan.forgotten]) == (
        ["a"],
        ["b"],
    )


def test_a_removal_is_not_guarded_by_numbers():
    assert removal(rolled_out(*(w.a_config(f"c{n}") for n in range(9)))).guards == ()


def test_a_removal_names_its_world():
    world = rolled_out(w.a_config())

    plan = removal(world, server_version="v1.36.3")

    assert (plan.rollout, plan.cluster_id, plan.source, plan.made_at, plan.server_version) == (
        "shop", w.CLUSTER_ID, "path@sha256:1", w.NOW, "v1.36.3"
    )  # fmt: skip


def test_a_removal_of_a_rollout_that_never_ran_has_no_source():
    world = w.World()
    world.begin(world.plan(w.a_set(w.a_config())))

    assert removal(world).source == ""


def test_the_same_objects_give_the_same_id():
    world = rolled_out(w.a_config())
    one = removal(world)
    world.edit(ref_of(w.a_config()), lambda body: body.update(status={"seen": 1}))

    assert removal(world).id == one.id


def test_other_objects_give_another_id():
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    one = removal(world)
    world.remove(ref_of(w.a_config("b")))

    assert removal(world).id != one.id


def test_a_removal_that_was_carried_out_leaves_an_empty_inventory():
    world = rolled_out(w.a_config("a"), w.a_config("b"))

    world.carry_out(removal(world))

    assert (world.objects, world.state.inventory) == ({}, ())
