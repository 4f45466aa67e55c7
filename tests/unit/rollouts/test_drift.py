"""Drift decided from values: which objects are looked at, what counts, what is said."""

from __future__ import annotations

import runpy
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rollwright.rollouts.describe.drift import describe_drift
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.drift.fields import find_fields, quantity, settled
from rollwright.rollouts.drift.find import (
    Drift,
    DriftKind,
    conclude_drift,
    find_suspects,
    last_good,
)
from rollwright.rollouts.drift.holders import creator
from rollwright.rollouts.live import live_object
from rollwright.rollouts.machine.drift import drift_form
from rollwright.rollouts.spec import ApplyPolicy

WORLD = runpy.run_path(str(Path(__file__).parents[2] / "world.py"))
World, a_set, a_config, a_body = (
    WORLD["World"],
    WORLD["a_set"],
    WORLD["a_config"],
    WORLD["a_body"],
)
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def rolled_out(*bodies):
    """A cluster in which the objects were rolled out, and the set that was."""
    world, wanted = World(), a_set(*bodies)
    world.carry_out(world.plan(wanted))
    return world, wanted


def look(world, wanted, *, predicted=(), scaled=(), extra=(), **facts):
    live = world.live(**facts)
    suspects = find_suspects(world.state, wanted, live)
    predicted = dict(predicted)
    return conclude_drift(
        world.state, live, suspects, predicted=predicted, scaled=scaled, extra=extra
    )


def entry(manager, fields, operation="Update", subresource="", time="2026-05-04T03:02:01Z"):
    return {
        "manager": manager, "operation": operation, "fieldsV1": fields, "time": time,
        **({"subresource": subresource} if subresource else {}),
    }  # fmt: skip


OURS: Any = {
    "f:spec": {
        "f:replicas": {},
        "f:list": {},
        "f:ports": {'k:{"port":80}': {".": {}, "f:name": {}, "f:port": {}}},
    }
}


def a_thing(*entries, **spec):
    managed = entries or (entry("rollwright", OURS, "Apply"),)
    return a_body(
        "Thing", "t", "shop", "example.com/v1", metadata={"managedFields": list(managed)}, spec=spec
    )


WANTED = a_body(
    "Thing", "t", "shop", "example.com/v1",
    spec={"replicas": 3, "list": ["a"], "ports": [{"port": 80, "name": "http"}]},
)  # fmt: skip
SAME: Any = {"replicas": 3, "list": ["a"], "ports": [{"port": 80, "name": "http"}]}


def paths(found):
    return [one.path for one in found]


def test_what_is_as_it_was_left_is_no_drift():
    world, wanted = rolled_out(a_config("a"))

    assert look(world, wanted) == ()


def test_a_change_that_is_not_ours_needs_no_look():
    world, wanted = rolled_out(a_config("a", k="v"))
    world.put(a_config("a", other="theirs"))

    assert find_suspects(world.state, wanted, world.live()) == ()


def test_a_change_of_ours_names_field_values_and_manager():
    world, wanted = rolled_out(a_config("a", k="v"))
    world.put(a_config("a", k="w"), manager="mallory")

    (one,) = look(world, wanted)
    (field,) = one.fields

    assert (one.kind, field.path, field.old, field.new) == (DriftKind.CHANGED, "data.k", "v", "w")
    assert field.holder.manager == "mallory"


def test_a_deleted_object_is_missing():
    world, wanted = rolled_out(a_config("a"), a_config("b"))
    world.remove(wanted.manifests[0].ref)

    (one,) = look(world, wanted)

    assert (one.kind, one.fields) == (DriftKind.MISSING, ())


def test_a_deleted_namespace_is_told():
    world, wanted = rolled_out(a_config("a"))
    world.remove(wanted.manifests[0].ref)

    (one,) = look(world, wanted, absent_namespaces=frozenset({"shop"}))

    assert "namespace 'shop'" in one.message


def test_what_cannot_be_read_is_not_missing():
    world, wanted = rolled_out(a_config("a"))
    ref = wanted.manifests[0].ref
    world.remove(ref)

    assert look(world, wanted, unreadable={ref: "no backend"}) == ()


def test_an_object_on_its_way_out_is_missing_since_then():
    world, wanted = rolled_out(a_config("a"))
    stamp = {"deletionTimestamp": "2026-05-04T03:02:01Z", "finalizers": ["x/y"]}
    world.edit(wanted.manifests[0].ref, lambda body: body["metadata"].update(stamp))

    (one,) = look(world, wanted)

    assert (one.kind, one.holder.at) == (DriftKind.MISSING, AT)
    assert "is being deleted since 2026-05-04 03:02:01Z" in one.message


def test_an_object_created_again_as_it_was_is_recreated_without_fields():
    world, wanted = rolled_out(a_config("a"))
    world.recreate(wanted.manifests[0].ref)

    (one,) = look(world, wanted)

    assert (one.kind, one.fields) == (DriftKind.RECREATED, ())


def test_what_nobody_wants_any_more_is_not_looked_at():
    world, wanted = rolled_out(a_config("a"))
    (kept,) = world.state.inventory
    world.state = replace(world.state, inventory=(replace(kept, why_kept="protected"),))
    world.remove(kept.ref)

    assert look(world, wanted) == ()


def test_what_was_only_meant_to_be_made_is_not_looked_at():
    world, wanted = rolled_out(a_config("a"))
    (made,) = world.state.inventory
    world.state = replace(world.state, inventory=(replace(made, uid=""),))
    world.remove(made.ref)

    assert look(world, wanted) == ()


def test_without_a_snapshot_fields_have_no_old_value():
    world, _ = rolled_out(a_config("a", k="v"))
    world.put(a_config("a", k="w"), manager="mallory")

    (one,) = look(world, None)

    assert one.kind is DriftKind.CHANGED
    assert [(f.path, f.old, f.new, f.holder.manager) for f in one.fields] == [
        ("data.k", ABSENT, "w", "mallory")
    ]


def test_what_a_failed_run_applied_is_not_compared_with_the_revision_before():
    world, wanted = rolled_out(a_config("a", k="v"))
    world.carry_out(world.plan(a_set(a_config("a", k="w"))))
    last = replace(world.state.last, outcome="failed")
    world.state = replace(world.state, revisions=(*world.state.revisions[:-1], last))
    world.put(a_config("a", k="x"))

    (one,) = look(world, wanted)

    good = last_good(world.state)
    assert good is not None
    assert good.number == 1
    assert [field.old for field in one.fields] == [ABSENT]


def test_replicas_of_an_autoscaler_are_no_drift():
    world, wanted = rolled_out(deepcopy(WANTED))
    changed = deepcopy(WANTED)
    changed["spec"]["replicas"] = 9
    ref = world.put(changed)

    assert look(world, wanted) != ()
    assert look(world, wanted, scaled={ref}) == ()


def test_the_worst_comes_first():
    world, wanted = rolled_out(a_config("a", k="v"), a_config("b"), a_config("c"))
    world.put(a_config("a", k="w"))
    world.remove(wanted.manifests[2].ref)
    stray = live_object(a_config("z"))

    found = look(world, wanted, extra=[stray])

    assert [one.kind for one in found] == [DriftKind.MISSING, DriftKind.CHANGED, DriftKind.EXTRA]


def test_fields_that_are_as_wanted_are_not_found():
    assert find_fields(WANTED, a_thing(**SAME)) == ()


def test_an_item_beside_ours_is_theirs():
    live = a_thing(**{**SAME, "ports": [*SAME["ports"], {"port": 81}]})

    assert find_fields(WANTED, live) == ()


def test_a_list_that_is_held_as_a_whole_is_compared_as_a_whole():
    live = a_thing(**{**SAME, "list": ["a", "b"]})

    (found,) = find_fields(WANTED, live)

    assert (found.path, found.old, found.new) == ("spec.list", ["a"], ["a", "b"])


def test_an_item_is_found_by_its_keys_wherever_it_stands():
    live = a_thing(**{**SAME, "ports": [{"port": 7}, {"port": 80, "name": "web"}]})

    assert paths(find_fields(WANTED, live)) == ["spec.ports[80].name"]


def test_an_item_that_went_is_one_field():
    live = a_thing(**{**SAME, "ports": [{"port": 7}]})

    (found,) = find_fields(WANTED, live)

    assert (found.path, found.new) == ("spec.ports[80]", ABSENT)


def test_the_latest_of_several_managers_is_named():
    theirs: Any = {"f:spec": {"f:replicas": {}}}
    live = a_thing(
        entry("old", theirs, time="2026-01-01T00:00:00Z"),
        entry("new", theirs, "Apply"),
        **{**SAME, "replicas": 5},
    )
    wanted = {**WANTED, "spec": {"replicas": 3}}

    (found,) = find_fields(wanted, live)

    assert str(found.holder) == "by new (Apply) at 2026-05-04 03:02:01Z"


def test_a_scale_without_a_time_says_so():
    live = a_thing(
        entry("kubectl-scale", {"f:spec": {"f:replicas": {}}}, subresource="scale", time=None),
        replicas=5,
    )

    (found,) = find_fields({**WANTED, "spec": {"replicas": 3}}, live)

    assert str(found.holder) == "by kubectl-scale (Update, subresource scale) at an unknown time"


def test_an_amount_in_another_form_is_the_same():
    wanted = a_body("Thing", "t", spec={"resources": {"limits": {"cpu": "0.1", "memory": "1Gi"}}})
    live = a_body("Thing", "t", spec={"resources": {"limits": {"cpu": "100m", "memory": "1024Mi"}}})

    assert find_fields(wanted, live) == ()


@pytest.mark.parametrize(("one", "other"), [("1.0", "1"), (1, True), ("1", 1)])
def test_texts_that_only_look_alike_differ(one, other):
    wanted, live = a_config("a", k=one), a_config("a", k=other)

    assert paths(find_fields(wanted, live)) == ["data.k"]


@pytest.mark.parametrize(
    ("text", "amount"), [("100m", "0.1"), ("1Ki", "1024"), (2, "2"), ("1e3", "1000")]
)
def test_an_amount_is_read(text, amount):
    assert quantity(text) == Decimal(amount)


def test_what_is_no_amount_is_none():
    assert (quantity("web"), quantity(True), quantity([])) == (None, None, None)


def test_what_an_apply_would_leave_as_it_is_has_not_drifted():
    live = a_thing(**{**SAME, "list": ["A"], "replicas": 9})
    predicted = a_thing(**{**SAME, "list": ["A"]})

    found = settled(find_fields(WANTED, live), WANTED, predicted)

    assert paths(found) == ["spec.replicas"]


def test_a_field_that_went_without_a_holder_is_unclear_until_the_server_says():
    wanted = {**WANTED, "spec": {"flag": False, "name": "x"}}
    live = a_thing(entry("rollwright", {"f:spec": {"f:replicas": {}}}, "Apply"), replicas=1)
    found = find_fields(wanted, live)

    assert all(one.is_unclear for one in found)
    assert paths(settled(found, wanted, a_thing(name="x"))) == ["spec.name"]


def test_text_data_of_a_secret_is_compared_as_it_is_kept():
    wanted = a_body("Secret", "s", stringData={"key": "hello"})
    mine = entry("rollwright", {"f:stringData": {"f:key": {}}}, "Apply")
    live = a_body("Secret", "s", metadata={"managedFields": [mine]}, data={"key": "aGVsbG8="})

    assert find_fields(wanted, live) == ()


def test_values_of_a_secret_never_show():
    world, wanted = rolled_out(a_body("Secret", "s", data={"key": "aGVsbG8="}))
    world.put(a_body("Secret", "s", data={"key": "c2VjcmV0"}))

    found = look(world, wanted)

    assert "aGVsbG8" not in repr(found)
    assert "c2VjcmV0" not in repr(found)
    assert found[0].fields[0].old.startswith("sha256:")


def test_who_made_an_object_is_the_oldest_entry():
    made = creator(
        {
            "creationTimestamp": "2026-05-04T03:02:01Z",
            "managedFields": [
                entry("later", {"f:a": {}}, time="2026-06-01T00:00:00Z"),
                entry("kubectl-create", {"f:a": {}}),
            ],
        }
    )

    assert (made.manager, made.at) == ("kubectl-create", AT)


def a_drift(*objects, **facts):
    values = {
        "rollout": "shop", "cluster": "prod", "revision": 4, "source": "path@sha256:1", "read_at": AT,
        "object_count": 3, "objects": objects, **facts,
    }  # fmt: skip
    return Drift(**values)


def test_a_person_reads_what_changed_and_what_to_do():
    world, wanted = rolled_out(a_config("a", k="v"), a_config("b"))
    world.put(a_config("a", k="w"), manager="mallory")
    world.remove(wanted.manifests[1].ref)

    told = text(describe_drift(a_drift(*look(world, wanted))))

    assert told.splitlines()[0] == "shop on prod: 2 objects differ from revision 4"
    assert "- ConfigMap/shop/b  does not exist" in told
    assert 'data.k: "v" → "w" by mallory' in told
    assert told.splitlines()[-1] == "  hint: roll out again to correct it"


def test_nothing_to_correct_gives_no_hint():
    assert "hint" not in text(describe_drift(a_drift()))


def test_programs_get_the_same():
    world, wanted = rolled_out(a_config("a", k="v"))
    world.put(a_config("a", k="w"), manager="mallory")

    form: Any = drift_form(a_drift(*look(world, wanted)))

    (one,) = form["objects"]
    assert (form["kind"], form["isDrifted"], one["drift"]) == ("Drift", True, "changed")
    assert one["fields"][0]["changedBy"]["manager"] == "mallory"


def rules(**policy):
    return ApplyPolicy.model_validate(policy)


def test_what_the_document_ignores_is_no_drift():
    world, wanted = rolled_out(a_config("a", k="v", kept="x"))
    world.put(a_config("a", k="w"))
    ignore = [{"target": {"kind": "ConfigMap"}, "paths": ["/data/k"]}]

    live = world.live()
    found = find_suspects(world.state, wanted, live, rules(ignore=ignore))

    assert conclude_drift(world.state, live, found, predicted={}) == ()


@pytest.mark.parametrize("mode", ["IfNotPresent", "Ignore", "ReadOnly"])
def test_an_object_that_is_never_written_again_does_not_drift(mode):
    annotations = {"rollwright.dev/apply-mode": mode}
    world, wanted = rolled_out(a_config("a"))
    asked = a_set(a_config("a", annotations=annotations))
    world.put(a_config("a", k="w"))

    assert find_suspects(world.state, asked, world.live()) == ()
    assert find_suspects(world.state, wanted, world.live()) != ()


@pytest.mark.parametrize(("action", "count"), [("leave", 0), ("adopt", 0), ("take", 1)])
def test_a_field_that_conflicts_leave_to_its_manager_is_no_drift(action, count):
    world, wanted = rolled_out(a_config("a", k="v"))
    world.put(a_config("a", k="w"), manager="mallory")
    conflicts = [{"manager": "mallory", "action": action}]

    live = world.live()
    found = find_suspects(world.state, wanted, live, rules(conflicts=conflicts))

    assert len(conclude_drift(world.state, live, found, predicted={})) == count
