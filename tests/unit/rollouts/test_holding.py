"""Holds: what they forbid, and what ends them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.errors import Refused
from rollwright.rollouts.plan import Rollback
from rollwright.rollouts.revisions.holding import (
    hold_after,
    put_on_hold,
    refuse_held,
    refuses,
    released,
    with_hold,
)
from rollwright.rollouts.state import Hold, RolloutState

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))


def a_plan(*, back=None, digest="bad"):
    plan = w.World().plan(w.a_set(w.a_config("a")))
    return replace(plan, wanted_digest=digest, rollback=back)


def a_rollback(bad="bad"):
    return Rollback(revision=1, snapshot="s", reason="why", bad_digest=bad, bad_source="path@2")


def a_hold(*digests, number=1):
    bad = (*digests, "")
    return Hold(
        reason="broke", actor="ada", since_at=w.NOW, bad_digest=bad[0],
        older_digests=digests[1:], revision=number,
    )  # fmt: skip


def hold_of(state):
    assert state.hold is not None
    return state.hold


def held(hold):
    return RolloutState(rollout="shop", hold=hold)


@pytest.mark.parametrize(
    ("hold", "plan", "is_refused"),
    [
        (None, a_plan(), False),
        (a_hold(), a_plan(digest="anything"), True),
        (a_hold(), a_plan(back=a_rollback(), digest="old"), True),
        (a_hold("bad"), a_plan(), True),
        (a_hold("bad"), a_plan(digest="other"), False),
        (a_hold("other", "bad"), a_plan(), True),
        (a_hold("bad"), a_plan(back=a_rollback("x")), False),
        (a_hold("bad"), a_plan(digest=""), False),
    ],
)
def test_a_hold_forbids_what_it_names(hold, plan, is_refused):
    assert refuses(hold, plan) is is_refused


def test_a_refusal_says_since_when_and_why_and_what_to_do():
    with pytest.raises(Refused) as caught:
        refuse_held("shop", held(a_hold("bad")), a_plan())

    assert caught.value.message == (
        "shop is held at revision 1 by ada since 2025-06-01 12:00:00Z: broke"
    )
    hint = str(caught.value.hint)
    assert "change the source" in hint
    assert "rollwright release shop" in hint


def test_a_plan_that_is_forbidden_has_a_guard_that_says_so():
    plan = with_hold(a_plan(), held(a_hold("bad")))

    assert [(guard.id, "broke" in guard.message) for guard in plan.breached] == [("RB-05", True)]


def test_a_plan_of_another_set_says_that_it_ends_the_hold_even_if_nothing_else_is_to_do():
    world = w.World()
    world.roll_out(w.a_config("a"))
    state = replace(world.state, hold=a_hold("bad"))

    plan = with_hold(world.plan(w.a_set(w.a_config("a"))), state)

    assert not plan.is_done
    assert any("ends the hold" in note for note in plan.notes)


def test_another_set_ends_the_hold_and_leaves_a_trace():
    state = hold_after(held(a_hold("bad")), a_plan(digest="new"), actor="bob", at=w.NOW)

    assert state.hold is None
    assert [(one.kind, one.actor) for one in state.audit] == [("release", "bob")]


def test_a_removal_ends_no_hold():
    state = held(a_hold("bad"))

    assert hold_after(state, a_plan(digest=""), actor="bob", at=w.NOW) is state


def test_a_rollback_holds_what_is_left():
    plan = a_plan(back=a_rollback(), digest="good")

    state = hold_after(held(None), plan, actor="bob", at=w.NOW)

    hold = hold_of(state)
    assert (hold.bad_digest, hold.source, hold.revision, hold.reason) == (
        "bad", "path@2", 1, "why",
    )  # fmt: skip


def test_a_second_rollback_still_holds_what_the_source_renders():
    plan = a_plan(back=a_rollback("middle"), digest="good")

    state = hold_after(held(a_hold("bad")), plan, actor="bob", at=w.NOW)

    assert hold_of(state).bad_digests == {"middle", "bad"}


def test_going_forth_to_what_was_held_holds_it_no_longer():
    plan = a_plan(back=a_rollback("good"), digest="bad")

    state = hold_after(held(a_hold("bad")), plan, actor="bob", at=w.NOW)

    assert hold_of(state).bad_digests == {"good"}


def test_a_replay_of_what_is_live_changes_no_hold():
    state = held(None)

    assert hold_after(state, a_plan(back=a_rollback("")), actor="bob", at=w.NOW) is state


def test_what_somebody_holds_and_releases_is_in_the_audit_trail():
    state = put_on_hold(held(None), reason="freeze", actor="ada", at=w.NOW)
    after = released(state, reason="done", actor="bob", at=w.NOW)

    assert hold_of(state).is_total
    assert after.hold is None
    assert [(one.kind, one.actor) for one in after.audit] == [("hold", "ada"), ("release", "bob")]


def test_releasing_what_is_not_held_changes_nothing():
    state = held(None)

    assert released(state, reason="", actor="bob", at=w.NOW) is state
