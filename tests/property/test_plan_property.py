"""What holds for the plan of any set of objects, whatever happened in the cluster before."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import orjson
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rollwright.rollouts.bookkeeping import close_run, open_run
from rollwright.rollouts.change import Operation
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.plans import describe_plan
from rollwright.rollouts.describe.reports import describe_report
from rollwright.rollouts.diff import ABSENT, compare
from rollwright.rollouts.machine.plans import plan_form
from rollwright.rollouts.machine.reports import report_form
from rollwright.rollouts.manifest import ManifestSet, ObjectRef, ref_of
from rollwright.rollouts.pruning.prune import PERCENT_APPLIES_FROM, guard_prune
from rollwright.rollouts.pruning.removal import make_removal
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult, step_outcome
from rollwright.rollouts.spec import PrunePolicy

w = SimpleNamespace(**run_path(str(Path(__file__).parents[1] / "world.py")))
often = settings(max_examples=30, deadline=None)
OURS = {"rollwright.dev/rollout": "shop"}
KINDS = (
    ("ConfigMap", "v1", "shop"), ("Secret", "v1", "shop"), ("ServiceAccount", "v1", "shop"),
    ("Role", "rbac.authorization.k8s.io/v1", "shop"), ("PriorityClass", "scheduling.k8s.io/v1", ""),
    ("Gizmo", "x.example.com/v1", "shop"), ("Gizmo", "y.example.com/v1", "shop"),
    ("Namespace", "v1", ""), ("PersistentVolumeClaim", "v1", "shop"),
)  # fmt: skip
ANNOTATIONS: tuple[dict[str, str], ...] = (
    {}, {"rollwright.dev/wave": "1"}, {"rollwright.dev/wave": "-1"}, {"helm.sh/resource-policy": "keep"},
    {"rollwright.dev/prune": "disabled"},
)  # fmt: skip

values = st.dictionaries(
    st.sampled_from(["k", "l", "m.n/o", "ä"]),
    st.sampled_from(["", "1", "true", "ü\n", "x" * 200]),
    max_size=3,
)


@st.composite
def an_object(draw):
    kind, api_version, namespace = draw(st.sampled_from(KINDS))
    annotations = draw(st.sampled_from(ANNOTATIONS))
    return w.a_body(
        kind, draw(st.sampled_from("abc")), namespace, api_version,
        metadata={"annotations": annotations} if annotations else {}, data=draw(values),
    )  # fmt: skip


objects = st.lists(an_object(), max_size=6, unique_by=ref_of)
some_objects = st.lists(an_object(), min_size=1, max_size=6, unique_by=ref_of)
policies: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    enabled=st.booleans(),
    protect=st.sampled_from([[], ["Secret"], ["Namespace", "PersistentVolumeClaim"]]),
    max_count=st.sampled_from([None, 0, 2]),
)


@st.composite
def a_world(draw):
    """Return a cluster with objects of others, some rollouts behind it, and then some mischief."""
    world = w.World(spec=w.a_spec(prune=draw(policies)))
    for body in draw(objects):
        world.put(body)
    for wanted in draw(st.lists(some_objects, max_size=2)):
        world.roll_out(*wanted)
    for ref in sorted(world.objects):
        mischief(world, ref, draw(st.integers(0, 11)))
    return world


def mischief(world, ref, number):
    match number:
        case 0:
            world.remove(ref)
        case 1:
            world.recreate(ref)
        case 2:
            world.edit(ref, lambda body: body["metadata"].update(labels={}))
        case 3:
            world.edit(ref, lambda body: body.update(data={"k": "theirs"}))
        case 4:
            world.put(
                w.a_body(ref.kind, ref.name, ref.namespace, api_version(ref), data={"new": "1"})
            )
        case 5:
            world.edit(ref, lambda body: body.update(status={"seen": "1"}))
        case 6:
            world.edit(ref, lambda body: body["metadata"].update(managedFields=[]))
        case 7:
            world.edit(ref, lambda body: body["metadata"].update(labels=dict(OURS)))


def api_version(ref):
    return f"{ref.group}/v1" if ref.group else "v1"


def writes(plan):
    return [change for change in plan.changes if change.writes]


def names(refs):
    return sorted(ref.qualified for ref in refs)


# ------------------------------------------------------------------ applying and planning again


@often
@given(a_world(), some_objects)
def test_after_a_plan_was_applied_nothing_is_left_to_write(world, wanted):
    world.roll_out(*wanted)

    assert writes(world.plan(w.a_set(*wanted))) == []


@often
@given(some_objects)
def test_a_set_against_itself_is_done_but_for_what_is_waited_for(wanted):
    world = w.World()
    world.roll_out(*wanted)

    plan = world.plan(w.a_set(*wanted))
    assert plan.is_done is all(change.is_settled for change in plan.changes)


@often
@given(a_world(), some_objects)
def test_what_is_wanted_is_there_after_a_rollout(world, wanted):
    plan, report = world.roll_out(*wanted)

    there = {ref: world.objects[ref]["data"] for ref in world.objects}
    assert report.outcome is Outcome.SUCCEEDED
    assert all(body["data"].items() <= (there[ref_of(body)] or {}).items() for body in wanted)
    assert len(list(plan.changes)) == len({change.ref for change in plan.changes})


# ------------------------------------------------------------------ the graph


@often
@given(a_world(), some_objects)
def test_needs_have_no_circle_and_stay_in_their_step(world, wanted):
    plan = world.plan(w.a_set(*wanted))

    for step in (step for wave in plan.waves for step in wave.steps):
        gates = {gate.id: gate.members for gate in step.gates}
        before = {
            change.ref: {edge.ref for edge in change.needs}.union(*(gates[g] for g in change.gates))
            for change in step.changes
        }
        done: set[ObjectRef] = set()
        while ready := {ref for ref, needs in before.items() if needs <= done} - done:
            done |= ready
        assert done == before.keys()


@often
@given(a_world(), some_objects)
def test_steps_follow_in_their_order_and_deletes_come_last(world, wanted):
    plan = world.plan(w.a_set(*wanted))

    steps = [step for wave in plan.waves for step in wave.steps]
    assert [step.needs for step in steps] == [(), *((step.name,) for step in steps)][: len(steps)]
    assert [step.action for step in steps] == sorted(step.action for step in steps)


# ------------------------------------------------------------------ deletes


@often
@given(a_world(), some_objects)
def test_a_prune_only_touches_our_own_objects(world, wanted):
    before = world.state.by_ref if world.state else {}
    there = dict(world.objects)

    for change in world.plan(w.a_set(*wanted)).changes:
        if change.operation is Operation.PRUNE:
            metadata = there[change.ref]["metadata"]
            assert before[change.ref].uid in {"", metadata["uid"]}
            assert change.live_uid == metadata["uid"]
            assert metadata["labels"]["rollwright.dev/rollout"] == "shop"
            assert change.ref not in {ref_of(body) for body in wanted}


@often
@given(a_world(), some_objects, st.integers(0, 8))
def test_nothing_outside_the_union_is_ever_deleted(world, wanted, crash):
    ours = set(world.state.by_ref) if world.state else set()
    before = {ref: body["metadata"]["uid"] for ref, body in world.objects.items()}

    world.carry_out(world.plan(w.a_set(*wanted)), writes=crash)
    world.roll_out(*wanted)

    assert {ref for ref in before if ref not in world.objects} <= ours


@often
@given(a_world())
def test_a_removal_only_touches_what_the_inventory_names(world):
    assume(world.state is not None)
    plan = make_removal("shop", world.live(), world.state)
    foreign = {ref for ref in world.objects if ref not in world.state.by_ref}

    world.carry_out(plan)

    assert foreign <= world.objects.keys()


@often
@given(a_world(), some_objects)
def test_everything_of_the_inventory_has_a_fate(world, wanted):
    known = set(world.state.by_ref) if world.state else set()

    plan = world.plan(w.a_set(*wanted))

    fates = [change.ref for change in plan.changes] + [*plan.kept, *plan.forgotten]
    assert known <= set(fates)
    assert len(fates) == len(set(fates))


@often
@given(st.integers(0, 400), st.integers(0, 400), st.floats(0, 100))
def test_the_percentage_guard_is_exact(total, deletes, limit):
    found = guard_prune(PrunePolicy(max_percent=limit), total, deletes)

    assert len(found) == (total >= PERCENT_APPLIES_FROM)
    assert all(guard.is_breached is (deletes * 100 > limit * total) for guard in found)


# ------------------------------------------------------------------ the inventory


def applied_by_us(world):
    """Return the objects that carry fields of ours and our label: what must not be forgotten."""
    return {
        ref
        for ref, body in world.objects.items()
        if w.live_object(body).owned_fields
        and (body["metadata"].get("labels") or {}).items() >= OURS.items()
    }


def made_by_somebody(world, ref):
    """Let somebody delete an object of ours and create another one in its place."""
    world.remove(ref)
    world.put(w.a_body(ref.kind, ref.name, ref.namespace, api_version(ref), data={"new": "1"}))


@often
@given(
    some_objects, some_objects, some_objects, st.lists(st.integers(0, 8), max_size=3), st.randoms()
)
def test_a_crash_never_forgets_what_was_applied(first, second, third, crashes, chance):
    world = w.World()
    sets = [first, second, third]
    for crash in crashes:
        world.carry_out(world.plan(w.a_set(*chance.choice(sets))), writes=crash)
        for ref in sorted(world.objects):
            if chance.random() < 0.1:
                chance.choice([w.World.remove, made_by_somebody])(world, ref)

        known = world.state.by_ref
        assert names(applied_by_us(world)) == names(applied_by_us(world) & known.keys())


@often
@given(some_objects, some_objects, st.integers(0, 8))
def test_after_a_crash_the_next_run_leaves_what_it_would_have_left(first, second, crash):
    world, other = w.World(), w.World()
    for one in (world, other):
        one.roll_out(*first)
    world.carry_out(world.plan(w.a_set(*second)), writes=crash)
    world.roll_out(*second)
    other.roll_out(*second)

    assert names(world.objects) == names(other.objects)
    assert names(world.state.by_ref) == names(other.state.by_ref)


@often
@given(some_objects, some_objects, some_objects, st.integers(1, 8))
def test_after_a_crash_another_set_leaves_no_orphan(first, second, third, crash):
    world = w.World(spec=w.a_spec(prune={"protect": []}))
    world.roll_out(*first)
    world.carry_out(world.plan(w.a_set(*second)), writes=crash)
    world.roll_out(*third)

    assert applied_by_us(world) <= world.state.by_ref.keys()


OUTCOMES = st.sampled_from(list(Outcome))


@often
@given(a_world(), some_objects, st.data())
def test_no_outcome_of_a_run_forgets_what_was_there(world, wanted, data):
    plan = world.plan(w.a_set(*wanted))
    world.begin(plan)
    results = []
    for step in (step for wave in plan.waves for step in wave.steps):
        if not data.draw(st.booleans()):
            break
        changes = tuple(a_result(world, change, data.draw(OUTCOMES)) for change in step.changes)
        results.append(StepResult(step=step.name, outcome=step_outcome(changes), changes=changes))
    report = conclude(plan, w.TRIGGER, results)

    state = close_run(world.state, report, retain=3, ended_at=w.NOW)

    gone = {
        one.ref
        for one in report.changes
        if one.outcome is Outcome.SUCCEEDED and one.operation == "prune"
    }
    never = {
        one.ref
        for one in report.changes
        if one.operation is Operation.CREATE
        and one.outcome in {Outcome.NOT_STARTED, Outcome.SKIPPED}
        and not world.state.by_ref[one.ref].wanted_digest
    }
    expected = world.state.by_ref.keys() - gone - never - plan.forgotten.keys()
    assert names(state.by_ref) == names(expected)
    assert state.journal is None


def a_result(world, change, outcome):
    uid = change.live_uid or "new"
    was_sent = (
        outcome in {Outcome.SUCCEEDED, Outcome.TIMED_OUT}
        and change.operation is not Operation.PRUNE
    )
    return ChangeResult(
        ref=change.ref, operation=change.operation, outcome=outcome, uid=uid if was_sent else ""
    )


@often
@given(a_world(), some_objects)
def test_an_open_run_has_a_superset_of_everything(world, wanted):
    before = set(world.state.by_ref) if world.state else set()
    plan = world.plan(w.a_set(*wanted))

    world.begin(plan)

    owned = {change.ref for change in plan.changes if change.is_owned}
    assert set(world.state.by_ref) == before | owned
    assert open_run(world.state, plan, world.state.journal).inventory == world.state.inventory


# ------------------------------------------------------------------ what is shown


@often
@given(
    st.lists(
        st.dictionaries(st.sampled_from("kl"), st.binary(min_size=9), min_size=1),
        min_size=2,
        max_size=2,
    ),
    st.sampled_from(["data", "stringData"]),
    st.booleans(),
)
def test_the_values_of_a_secret_never_show(versions, part, is_foreign):
    clear = [{k: f"pw-{v.hex()}" for k, v in one.items()} for one in versions]
    coded = [{k: base64.b64encode(v.encode()).decode() for k, v in one.items()} for one in clear]
    old, new = (w.a_body("Secret", **{part: one}) for one in (coded if part == "data" else clear))
    world = w.World()
    _ = world.put(old) if is_foreign else world.roll_out(old)
    plan, report = world.roll_out(new)

    shown = text(describe_plan(plan)) + text(describe_report(report))
    shown += orjson.dumps([plan_form(plan), report_form(report)]).decode()
    assert not [v for some in (*clear, *coded) for v in some.values() if v in shown]


@often
@given(a_world(), some_objects)
def test_every_plan_can_be_printed_and_written_down(world, wanted):
    plan, report = world.roll_out(*wanted)

    assert text([*describe_plan(plan), *describe_report(report)])
    assert orjson.loads(orjson.dumps([plan_form(plan), report_form(report)]))


# ------------------------------------------------------------------ the id


@often
@given(a_world(), some_objects, st.randoms())
def test_the_id_does_not_depend_on_the_order_of_anything(world, wanted, chance):
    first = world.plan(w.a_set(*wanted))
    shuffled = chance.sample(wanted, len(wanted))
    world.objects = dict(chance.sample(sorted(world.objects.items()), len(world.objects)))
    if world.state:
        inventory = tuple(chance.sample(world.state.inventory, len(world.state.inventory)))
        world.state = replace(world.state, inventory=inventory)

    second = world.plan(w.a_set(*shuffled))

    assert (first.id, [c.ref for c in first.changes]) == (
        second.id,
        [c.ref for c in second.changes],
    )


@often
@given(a_world(), some_objects)
def test_the_id_is_the_same_for_the_same_world(world, wanted):
    assert world.plan(w.a_set(*wanted)).id == world.plan(w.a_set(*wanted)).id


# ------------------------------------------------------------------ the diff

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", "1", "true", "ä"])
    | st.just(1.0),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "name", "port", "x.y", ""]), inner, max_size=3)
    ),
    max_leaves=12,
)


@often
@given(json_values, json_values)
def test_a_diff_is_empty_exactly_when_nothing_differs(old, new):
    found = compare({"spec": old}, {"spec": new}, salt="s")

    assert (found == ()) is (orjson.dumps(old, option=SORTED) == orjson.dumps(new, option=SORTED))


@often
@given(json_values, json_values)
def test_a_diff_read_backwards_is_the_diff_of_the_way_back(old, new):
    there = compare({"spec": old}, {"spec": new}, salt="s")
    back = compare({"spec": new}, {"spec": old}, salt="s")

    assert sorted((c.path, repr(c.old), repr(c.new)) for c in there) == sorted(
        (c.path, repr(c.new), repr(c.old)) for c in back
    )
    assert all(c.old is not ABSENT or c.new is not ABSENT for c in there)


SORTED = orjson.OPT_SORT_KEYS


@often
@given(objects, st.randoms())
def test_the_digest_of_a_set_does_not_depend_on_its_order(bodies, chance):
    wanted = w.a_set(*bodies)

    shuffled = ManifestSet(tuple(chance.sample(wanted.manifests, len(wanted))), wanted.source)
    assert shuffled.digest == wanted.digest
