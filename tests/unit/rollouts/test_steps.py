"""Which step handles which object, and in what order steps may stand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import jsonschema_rs
import pytest

from rollwright.errors import InvalidManifests, InvalidSpec
from rollwright.rollouts.change import Operation
from rollwright.rollouts.graph import draw_mermaid, draw_text, graph_of_plan
from rollwright.rollouts.machine.forms import machine_schema
from rollwright.rollouts.machine.plans import plan_form
from rollwright.rollouts.spec import Group
from rollwright.rollouts.steps.course import chart
from rollwright.rollouts.steps.course_graph import graph_of_course

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))


def groups(*declared):
    return tuple(Group.model_validate(one) for one in declared)


def group(name, *steps, **more):
    return {"name": name, "steps": list(steps), **more}


def step(name, key="", **more):
    return {"name": name, **({"object": key} if key else {}), **more}


def course_of(bodies, *declared, **spec):
    return chart(w.a_spec(groups=groups(*declared), **spec), w.a_set(*bodies))


def plan_of(bodies, *declared, live=(), **spec):
    world = w.World(*live, spec=w.a_spec(groups=groups(*declared), **spec))
    return world.plan(w.a_set(*bodies))


A, B, C = w.a_config("a"), w.a_config("b"), w.a_config("c")


# ------------------------------------------------------------------ which object


def test_without_groups_there_are_no_steps():
    assert chart(w.a_spec(), w.a_set(A)) is None


def test_a_key_names_one_object_and_a_selector_some():
    course = course_of(
        [A, B, C], group("g", step("one", "a"), step("two", select={"name": "[bc]"}))
    )

    assert [[one.ref.name for one in each.manifests] for each in course.steps] == [
        ["a"], ["b", "c"],
    ]  # fmt: skip


def test_a_key_of_a_list_names_all_its_items():
    made = w.a_set(A, B)
    items = tuple(replace(one, document="list.yaml") for one in made)
    spec = w.a_spec(groups=groups(group("g", step("all", "list.yaml"))))
    course = chart(spec, replace(made, manifests=items))

    assert course is not None
    assert [one.ref.name for one in next(course.steps).manifests] == ["a", "b"]


def test_every_object_that_no_step_names_is_told():
    with pytest.raises(InvalidSpec) as error:
        course_of([A, B, C], group("g", step("one", "a")))

    assert [one.message for one in error.value.problems] == [
        "ConfigMap/shop/b (b) is named by no step", "ConfigMap/shop/c (c) is named by no step",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rest", "names"), [("first", ["rest/objects", "g/one"]), ("last", ["g/one", "rest/objects"])]
)
def test_the_rest_comes_first_or_last(rest, names):
    course = course_of([A, B], group("g", step("one", "a")), rest=rest)

    assert [one.name for one in course.steps] == names


def test_a_group_of_the_document_may_be_called_rest():
    course = course_of([A, B], group("rest", step("objects", "a")), rest="last")

    assert [one.name for one in course.steps] == ["rest/objects", "rest-/objects"]


def test_ignored_objects_stay_in_the_plan_and_are_not_written():
    plan = plan_of([A, B], group("g", step("one", "a")), rest="ignore")
    ignored = [one for one in plan.changes if one.ref.name == "b"]

    assert [(one.operation, one.is_owned) for one in ignored] == [(Operation.KEEP, False)]


def test_ignored_objects_that_were_applied_before_are_not_deleted():
    world = w.World()
    world.roll_out(A, B)
    world.spec = w.a_spec(groups=groups(group("g", step("one", "a"))), rest="ignore")
    plan = world.plan(w.a_set(A, B))

    assert [one.operation for one in plan.changes if one.writes] == []


@pytest.mark.parametrize("parallel", [True, False])
def test_an_object_in_two_steps_that_run_together_is_refused(parallel):
    declared = group("g", step("one", "a"), step("two", "a"), parallel=parallel)
    found = []
    try:
        course_of([A], declared)
    except InvalidSpec as error:
        found = [one.message for one in error.problems]

    assert bool(found) == parallel


def test_an_unknown_key_has_a_hint():
    with pytest.raises(InvalidSpec) as error:
        course_of([w.a_config("deployment")], group("g", step("one", "deploiment")), rest="ignore")

    assert error.value.hint == "did you mean 'deployment'?"


def test_objects_of_a_way_back_are_named_too():
    course = course_of([A, B], group("g", step("one", "a"), onRollback=[step("back", "b")]))

    assert [one.name for one in course.all_steps] == ["g/one", "g/back"]


# ------------------------------------------------------------------ order

CRD, BASKET = w.a_crd(), w.a_body("Basket", "one", api_version="example.com/v1")
HOME = w.a_body("Namespace", "shop", "")


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("needed", "key", "needs"), [(CRD, "baskets.example.com", BASKET), (HOME, "shop", A)]
)
def test_a_kind_and_a_namespace_come_before_what_needs_them(needed, key, needs, first):
    name = needs["metadata"]["name"]
    steps = step("needed", key), step("needs", name)
    declared = group("g", *(steps if first else steps[::-1]))
    found = ""
    try:
        plan_of([needed, needs], declared)
    except InvalidManifests as error:
        found = str(error)

    assert ("'g/needs' runs before step 'g/needed'" in found) == (not first)


def test_an_edge_of_a_person_holds_between_steps():
    late = w.a_config(
        "b", annotations={"rollwright.dev/depends-on": "/namespaces/shop/ConfigMap/a"}
    )
    with pytest.raises(InvalidManifests, match="needs ConfigMap/shop/a"):
        plan_of([A, late], group("g", step("b", "b"), step("a", "a")))


def test_a_config_of_a_later_step_is_noted():
    pod = {
        "containers": [{"name": "m", "image": "x", "envFrom": [{"configMapRef": {"name": "a"}}]}]
    }
    job = w.a_body("Job", "j", api_version="batch/v1", spec={"template": {"spec": pod}})
    plan = plan_of([A, job], group("g", step("j", "j"), step("a", "a")))

    assert "which only the later step 'g/a' applies" in " ".join(plan.notes)


def test_groups_and_steps_run_one_after_another():
    plan = plan_of(
        [A, B, C], group("x", step("1", "a"), step("2", "b")), group("y", step("3", "c"))
    )

    assert [(one.name, one.needs) for one in plan.steps] == [
        ("x/1", ()), ("x/2", ("x/1",)), ("y/3", ("x/2",)),
    ]  # fmt: skip


def test_steps_that_run_together_stand_in_one_wave():
    plan = plan_of(
        [A, B, C], group("x", step("1", "a"), step("2", "b"), parallel=True),
        group("y", step("3", "c")),
    )  # fmt: skip

    assert [[one.name for one in wave.steps] for wave in plan.waves] == [["x/1", "x/2"], ["y/3"]]


def test_groups_may_run_side_by_side():
    plan = plan_of(
        [A, B, C], group("x", step("1", "a"), step("2", "b")), group("y", step("3", "c")),
        groups_parallel=True,
    )  # fmt: skip

    assert [(one.name, one.needs) for one in plan.steps] == [
        ("x/1", ()), ("x/2", ("x/1",)), ("y/3", ()),
    ]  # fmt: skip


def test_the_graph_orders_the_objects_of_one_step():
    plan = plan_of([A, HOME], group("g", step("all", select={"name": "*"})))
    change = next(one for one in plan.changes if one.ref.name == "a")

    assert [edge.rule for edge in change.needs] == ["OR-31"]


def test_the_graph_orders_the_objects_of_steps_that_run_together():
    plan = plan_of([A, HOME], group("g", step("a", "a"), step("home", "shop"), parallel=True))
    change = next(one for one in plan.changes if one.ref.name == "a")

    assert [edge.ref.name for edge in change.needs] == ["shop"]


def test_barriers_inside_a_step_are_gates():
    late = w.a_config("b", annotations={"rollwright.dev/wave": "1"})
    plan = plan_of([A, late], group("g", step("all", select={"kind": "ConfigMap"})))
    (only,) = plan.steps
    gates = {one.ref.name: one.gates for one in only.changes}

    assert (gates, [[r.name for r in one.members] for one in only.gates]) == (
        {"a": (), "b": ("OR-45/0",)},
        [["a"]],
    )


# ------------------------------------------------------------------ the last one decides


def test_what_is_deleted_first_is_created_after():
    world = w.World()
    world.roll_out(A)
    world.spec = w.a_spec(
        groups=groups(group("g", step("gone", "a", action="DeleteIfExist"), step("made", "a")))
    )
    plan = world.plan(w.a_set(A))

    assert [one.operation for one in plan.changes] == [Operation.PRUNE, Operation.CREATE]


def test_a_second_apply_keeps_what_the_first_has_written():
    plan = plan_of([A], group("g", step("one", "a"), step("two", "a")))

    assert [(one.operation, one.follows) for one in plan.changes] == [
        (Operation.CREATE, ""), (Operation.KEEP, "g/one"),
    ]  # fmt: skip


# ------------------------------------------------------------------ what is shown


def test_a_drawing_has_the_steps_that_run_together_side_by_side():
    plan = plan_of(
        [A, B, C], group("x", step("1", "a"), step("2", "b"), parallel=True),
        group("y", step("3", "c")),
    )  # fmt: skip
    drawn = draw_mermaid(graph_of_plan(plan)).splitlines()

    assert [line.strip() for line in drawn if "==>" in line] == ["w0 ==> w2", "w1 ==> w2"]


def test_groups_are_drawn_without_a_cluster():
    course = course_of([A, B], group("x", step("1", "a")), group("y", step("2", "b")))
    assert course is not None
    drawn = draw_text(graph_of_course(course))

    assert drawn == "x/1:\n  ConfigMap/shop/a\ny/2:\n  ConfigMap/shop/b\n"


def test_a_step_without_objects_is_drawn():
    plan = plan_of([A], group("g", step("smoke", action="Http"), step("a", "a")))

    assert "Http/smoke" in draw_text(graph_of_plan(plan))


def test_the_machine_form_has_what_is_declared():
    plan = plan_of([A], group("g", step("a", "a", continueOnError=True, success=["healthy"])))
    form = plan_form(plan)["waves"][0]["steps"][0]["declared"]

    assert (form["group"], form["continueOnError"], form["success"]) == (
        "g",
        True,
        [{"use": "healthy", "words": "healthy"}],
    )


def test_a_plan_without_groups_declares_no_steps():
    assert "declared" not in plan_form(w.World().plan(w.a_set(A)))["waves"][0]["steps"][0]


def test_the_machine_form_keeps_its_schema():
    back = step("back", "b", action={"use": "Patch", "with": {"patch": {"data": {}}}})
    plan = plan_of([A, B], group("g", step("a", "a", failure=["JobOOMKilled"]), onRollback=[back]))

    assert jsonschema_rs.is_valid(machine_schema("Plan"), json.loads(json.dumps(plan_form(plan))))
