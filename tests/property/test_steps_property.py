"""Groups of any objects: every one has its place, and nothing waits in a circle."""

from __future__ import annotations

from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from rollwright.rollouts.spec import Group

w = SimpleNamespace(**run_path(str(Path(__file__).parents[1] / "world.py")))

NAMES = [f"c{number}" for number in range(8)]


@st.composite
def declared(draw):
    """Distribute some names over groups of steps; the rest is first, last or ignored."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    groups: list[Group] = []
    while names:
        size = draw(st.integers(1, len(names)))
        mine, names = names[:size], names[size:]
        steps = [{"name": name, "object": name} for name in mine]
        made = {"name": f"g{len(groups)}", "steps": steps, "parallel": draw(st.booleans())}
        groups.append(Group.model_validate(made))
    return {
        "groups": tuple(groups),
        "rest": draw(st.sampled_from(["first", "last", "ignore"])),
        "groups_parallel": draw(st.booleans()),
    }


def objects(draw_waves):
    return [
        w.a_config(name, annotations={"rollwright.dev/wave": str(wave)})
        for name, wave in zip(NAMES, draw_waves, strict=True)
    ]


WAVES = st.lists(st.integers(-1, 2), min_size=len(NAMES), max_size=len(NAMES))


@given(declared(), WAVES)
def test_every_object_has_exactly_one_place(spec, waves):
    plan = w.World(spec=w.a_spec(**spec)).plan(w.a_set(*objects(waves)))

    assert Counter(one.ref.name for one in plan.changes) == dict.fromkeys(NAMES, 1)


@given(declared(), WAVES)
def test_steps_never_wait_in_a_circle(spec, waves):
    plan = w.World(spec=w.a_spec(**spec)).plan(w.a_set(*objects(waves)))
    order = list(TopologicalSorter({one.name: one.needs for one in plan.steps}).static_order())

    assert set(order) == {one.name for one in plan.steps}


@given(declared(), WAVES)
def test_a_step_needs_only_what_comes_before_it(spec, waves):
    plan = w.World(spec=w.a_spec(**spec)).plan(w.a_set(*objects(waves)))
    seen: set[str] = set()
    late = []
    for one in plan.steps:
        late += [name for name in one.needs if name not in seen]
        seen.add(one.name)

    assert late == []


@given(declared(), WAVES)
def test_a_plan_that_was_carried_out_is_done(spec, waves):
    world = w.World(spec=w.a_spec(**spec))
    world.roll_out(*objects(waves))

    assert world.plan(w.a_set(*objects(waves))).is_done
