"""The plan that goes back: today's policies, and CRDs that stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.errors import Refused
from rollwright.rollouts.candidates import candidates
from rollwright.rollouts.plan import Rollback
from rollwright.rollouts.revisions.rollback import (
    make_rollback,
    must_go_back_first,
    set_to_bring_back,
    spec_to_go_back,
)
from rollwright.rollouts.spec import OnInterrupted
from rollwright.rollouts.state import Hold, Journal, RolloutState

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
BACK = Rollback(revision=1, snapshot="s", reason="why", bad_digest="bad")


def going_back(world, wanted):
    live = world.live()
    rest = set_to_bring_back(wanted, live, world.state, 1)
    forecast = world.forecast(candidates(rest, live, world.state))
    return make_rollback(world.spec, wanted, live, forecast, world.state, BACK)


def test_the_revision_says_what_and_today_says_how():
    kept = w.a_spec(target={"namespace": "old"}, prune={"max_percent": 90})
    now = w.a_spec(
        target={"namespace": "new", "cluster": "c"},
        prune={"max_percent": 10},
        apply={"recreate_immutable": ("Job",)},
    )

    spec = spec_to_go_back(kept, now)

    assert (spec.target.namespace, spec.target.cluster) == ("old", "c")
    assert (spec.prune, spec.apply) == (now.prune, now.apply)


def test_without_a_document_the_kept_policies_hold():
    kept = w.a_spec(prune={"max_percent": 10})

    spec = spec_to_go_back(kept, w.a_spec(target={"cluster": "c"}), is_declared=False)

    assert (spec.prune.max_percent, spec.target.cluster) == (10, "c")


def test_a_crd_that_changed_is_neither_written_nor_dropped():
    old = w.a_set(w.a_config("a"), w.a_crd())
    world = w.World()
    world.roll_out(w.a_config("a"), w.a_crd())
    world.roll_out(w.a_config("a", k="new"), w.a_crd(versions=[{"name": "v2", "served": True}]))

    plan = going_back(world, old)

    assert w.operations(plan) == {"a": "update"}
    assert [str(ref) for ref in plan.kept] == ["CustomResourceDefinition/baskets.example.com"]
    assert plan.wanted_digest == old.digest


def test_a_crd_that_the_newer_revision_added_stays_whatever_the_policy_says():
    world = w.World(spec=w.a_spec(prune={"protect": ()}))
    world.roll_out(w.a_config("a"))
    world.roll_out(w.a_config("a"), w.a_crd())

    plan = going_back(world, w.a_set(w.a_config("a")))

    assert w.operations(plan) == {"a": "keep"}
    assert len(plan.kept) == 1


def test_a_crd_that_is_gone_comes_back():
    world = w.World()
    world.roll_out(w.a_config("a"), w.a_crd())
    world.remove(w.a_set(w.a_crd()).manifests[0].ref)

    plan = going_back(world, w.a_set(w.a_config("a"), w.a_crd()))

    assert w.operations(plan)["baskets.example.com"] == "create"


def test_a_set_of_nothing_but_crds_is_refused():
    world = w.World()
    world.roll_out(w.a_crd())
    world.roll_out(w.a_crd(versions=[{"name": "v2", "served": True}]))

    with pytest.raises(Refused, match="nothing but CRDs"):
        going_back(world, w.a_set(w.a_crd()))


def test_that_volumes_keep_their_content_is_noted():
    world = w.World()
    world.roll_out(w.a_config("a"))
    claim = w.a_body("PersistentVolumeClaim", "data")

    plan = going_back(world, w.a_set(w.a_config("a"), claim))

    assert "what volumes hold is not rolled back" in plan.notes


@pytest.mark.parametrize(
    ("policy", "digest", "back", "hold", "must"),
    [
        ("rollback", "now", 0, "", True),
        ("resume", "now", 0, "", False),
        ("rollback", "other", 0, "", False),
        ("rollback", "", 0, "", False),
        ("resume", "old", 1, "now", True),
        ("resume", "old", 1, "other", False),
        ("resume", "old", 1, "", False),
        ("rollback", "now", 0, "all", False),
    ],
)
def test_a_killed_run_is_undone_first_only_if(policy, digest, back, hold, must):
    spec = w.a_spec(on_interrupted=OnInterrupted(policy))
    journal = Journal(
        run_id="r", plan_id="p", owner="ada", token=1, started_at=w.NOW, digest=digest,
        rolled_back_to=back,
    )  # fmt: skip
    bad = "" if hold == "all" else hold
    held = Hold(reason="", actor="", since_at=w.NOW, bad_digest=bad) if hold else None
    state = RolloutState(rollout="shop", journal=journal, hold=held)
    plan = replace(w.World().plan(w.a_set(w.a_config())), wanted_digest="now")

    assert must_go_back_first(spec, state, plan) is must
