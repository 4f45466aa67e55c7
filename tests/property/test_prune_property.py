"""No object of anybody else is ever deleted: not by a move, a mark, a word or a removal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonpatch import JsonPatch

from rollwright.rollouts.change import Operation
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.pruning.marks import make_removal_mark, marking, releasing, unmarking
from rollwright.rollouts.pruning.prune import Leaving, sort_stale
from rollwright.rollouts.pruning.removal import make_removal
from rollwright.rollouts.spec import PrunePolicy

w = SimpleNamespace(**run_path(str(Path(__file__).parents[1] / "world.py")))
often = settings(max_examples=40, deadline=None)
LABEL = "rollwright.dev/rollout"
KINDS = (("ConfigMap", "shop"), ("PersistentVolumeClaim", "shop"), ("Namespace", ""))

objects = st.lists(
    st.builds(
        lambda kind, name, note: w.a_body(
            kind[0], name, kind[1], metadata={"annotations": note} if note else {}
        ),
        st.sampled_from(KINDS), st.sampled_from("abc"),
        st.sampled_from([{}, {"rollwright.dev/prune": "confirm"}, {"helm.sh/resource-policy": "keep"}]),
    ),
    min_size=1, max_size=6, unique_by=ref_of,
)  # fmt: skip
mischief = st.sampled_from(["none", "moved", "recreated", "gone", "unlabelled"])


@st.composite
def a_world(draw):
    """Return a rollout that ran once, after which others did things to its objects."""
    world = w.World()
    world.roll_out(*draw(objects))
    for ref in sorted(world.objects):
        match draw(mischief):
            case "moved":
                world.edit(ref, lambda body: body["metadata"]["labels"].update({LABEL: "blog"}))
            case "recreated":
                world.recreate(ref)
            case "gone":
                world.remove(ref)
            case "unlabelled":
                world.edit(ref, lambda body: body["metadata"].update(labels={}))
    return world


@st.composite
def a_leaving(draw, world):
    refs = sorted(world.state.by_ref)
    some = st.lists(st.sampled_from(refs), unique=True)
    return Leaving(
        allowed=tuple(map(str, draw(some))),
        namespace="shop",
        taken=dict.fromkeys(draw(some), "rollout 'b' takes it over"),
        waiting=dict.fromkeys(draw(some), "may go later"),
        faults=draw(st.sampled_from([(), ("values.yaml is missing",)])),
    )


def stale_of(world, leaving, policy=None):
    return sort_stale(
        "shop", policy or PrunePolicy(), world.state.inventory, w.a_set(), world.live(), leaving
    )


@often
@given(a_world(), st.data())
def test_only_our_own_objects_go_whatever_anybody_allows(world, data):
    for found in stale_of(world, data.draw(a_leaving(world))).deletes:
        assert found.labels[LABEL] == "shop"
        assert world.state.by_ref[found.ref].uid == found.uid


@often
@given(a_world(), st.data())
def test_what_somebody_else_takes_or_waits_for_never_goes(world, data):
    leaving = data.draw(a_leaving(world))

    gone = {found.ref for found in stale_of(world, leaving).deletes}

    assert not gone & {*leaving.taken, *leaving.waiting}
    assert not (gone and leaving.faults)


@often
@given(a_world(), st.data())
def test_a_word_lets_nothing_go_but_what_it_names(world, data):
    leaving = data.draw(a_leaving(world))
    silent = replace(leaving, allowed=())

    more = {one.ref for one in stale_of(world, leaving).deletes}
    less = {one.ref for one in stale_of(world, silent).deletes}

    # A namespace may follow when the last of what kept it was named.
    assert less <= more
    assert {str(ref) for ref in more - less} <= {*leaving.allowed, "Namespace/shop"}


@often
@given(a_world())
def test_what_moved_is_forgotten_and_lives_on(world):
    moved = {
        ref
        for ref, body in world.objects.items()
        if body["metadata"].get("labels", {}).get(LABEL) == "blog"
    }

    plan = make_removal("shop", world.live(), world.state)
    world.carry_out(plan)

    assert moved <= world.objects.keys()
    assert not moved & world.state.by_ref.keys()


@often
@given(a_world())
def test_marking_and_unmarking_change_nothing_else(world):
    text = make_removal_mark("sha256:1", "ada", w.NOW).plan_id
    for body in world.objects.values():
        live = live_object(body)
        marked = JsonPatch([dict(one) for one in marking(live, text)]).apply(live.body)
        again = live_object(marked)
        freed = JsonPatch([dict(one) for one in unmarking(again)]).apply(again.body)

        notes = live.metadata.get("annotations") or {}
        assert (freed["metadata"].pop("annotations", None) or {}) == notes
        rest = {key: value for key, value in live.metadata.items() if key != "annotations"}
        assert freed["metadata"] == rest


@often
@given(a_world())
def test_releasing_touches_no_object_of_another_rollout(world):
    for body in world.objects.values():
        live = live_object(body)
        if live.labels.get(LABEL) == "blog":
            assert releasing(live, "shop", [LABEL]) == ()


@often
@given(a_world(), objects)
def test_a_plan_that_goes_forward_never_deletes_a_protected_kind_unasked(world, wanted):
    plan = world.plan(w.a_set(*wanted))

    gone = {one.ref.kind for one in plan.changes if one.operation is Operation.PRUNE}
    assert not gone & {"PersistentVolumeClaim", "Namespace"}
