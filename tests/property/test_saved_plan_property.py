"""Whatever a plan holds, its file gives the same plan again, and no other file does."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollwright.errors import InvalidDocument, Refused
from rollwright.rollouts.saved.basis import basis_of, spec_digests
from rollwright.rollouts.saved.saved_plan import decode, encode, save
from rollwright.rollouts.saved.verification import Now, differences, verify

w = SimpleNamespace(**run_path(str(Path(__file__).parents[1] / "world.py")))
often = settings(max_examples=40, deadline=None)

names = st.lists(st.sampled_from("abcd"), max_size=4, unique=True)
values = st.dictionaries(
    st.sampled_from(["k", "l.m", "ä/ö"]), st.sampled_from(["", "1", "ü\n", "x" * 90]), max_size=3
)


@st.composite
def bodies(draw):
    kind = draw(st.sampled_from(["ConfigMap", "Secret"]))
    return [w.a_body(kind, name, data=draw(values)) for name in draw(names)]


@st.composite
def a_case(draw):
    """Return a world with something in it and something rolled out, and what is wanted now."""
    world = w.World(*draw(bodies()))
    if first := draw(bodies()):
        world.roll_out(*first)
    wanted = draw(bodies()) or [w.a_config("a")]
    return world, w.a_set(*wanted)


def saved_of(world, wanted):
    plan = world.plan(wanted)
    basis = basis_of(
        plan, world.spec, {"site.name": "sha256:1"}, (wanted, world.live(), world.state), "r 1"
    )
    return save(plan, basis, created_by="ada@desk")


def now_of(saved, world, wanted):
    return Now(
        spec=world.spec, site=saved.basis.site, wanted=wanted, live=world.live(),
        state=world.state, at=w.NOW,
    )  # fmt: skip


@often
@given(a_case())
def test_a_file_gives_the_same_plan_again(case):
    saved = saved_of(*case)

    assert decode(encode(saved), where="plan.json") == saved


@often
@given(a_case(), st.integers(0), st.integers(1, 255))
def test_no_changed_byte_is_read(case, position, mask):
    text = bytearray(encode(saved_of(*case)))
    text[position % len(text)] ^= mask

    with pytest.raises((Refused, InvalidDocument)):
        decode(bytes(text), where="plan.json")


@often
@given(a_case())
def test_an_unchanged_world_differs_in_nothing(case):
    world, wanted = case
    saved = saved_of(world, wanted)

    assert [str(one) for one in differences(saved, now_of(saved, world, wanted))] == []


@often
@given(a_case())
def test_the_plan_made_anew_writes_what_the_saved_one_says(case):
    world, wanted = case
    saved, plan = saved_of(world, wanted), world.plan(wanted)
    verified = verify(saved, now_of(saved, world, wanted)).plan

    assert [(one.ref, one.operation, one.wanted) for one in verified.changes] == [
        (one.ref, one.operation, one.wanted) for one in plan.changes
    ]
    assert verified.id == plan.id


@often
@given(a_case(), st.data())
def test_a_field_that_moves_is_found(case, data):
    world, wanted = case
    saved = saved_of(world, wanted)
    known = [one.ref for one in saved.plan.changes if one.live_uid]
    if not known:
        return
    ref = data.draw(st.sampled_from(known))
    world.edit(ref, lambda body: body.setdefault("metadata", {}).update(finalizers=["x/y"]))
    moved = [one for one in differences(saved, now_of(saved, world, wanted)) if one.is_stale]

    assert [one.where for one in moved] == [str(ref)]
    assert "metadata.finalizers" in moved[0].why


@often
@given(a_case())
def test_a_status_that_moves_refuses_nothing(case):
    world, wanted = case
    saved = saved_of(world, wanted)
    for ref in world.objects:
        world.edit(ref, lambda body: body.update(status={"seen": 1}))

    assert [one for one in differences(saved, now_of(saved, world, wanted)) if one.is_stale] == []


@often
@given(a_case())
def test_a_plan_that_was_carried_out_finds_nothing_to_write(case):
    world, wanted = case
    saved, plan = saved_of(world, wanted), world.plan(wanted)
    world.carry_out(plan)
    verified = verify(saved, now_of(saved, world, wanted))

    assert verified.stale == ()
    assert [one.ref for one in verified.plan.changes if one.writes] == []


def test_every_part_of_a_document_has_a_digest():
    digests = spec_digests(w.a_spec())

    assert {"spec.prune.maxPercent", "spec.source", "metadata.name"} <= digests.keys()
