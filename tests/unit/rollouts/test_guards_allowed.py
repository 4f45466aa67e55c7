"""Recreating an object of a protected kind: refused, unless somebody names it (PR-13)."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.rollouts.candidates import candidates
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.planning import make_plan
from rollwright.rollouts.pruning.prune import Leaving

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
CLAIM = w.a_body("PersistentVolumeClaim", "data", spec={"size": 1})


def plan_of(*allowed, kind="PersistentVolumeClaim"):
    """Return the plan that changes what cannot be changed in place."""
    body = {**CLAIM, "kind": kind}
    world = w.World()
    world.roll_out(body)
    world.immutable[ref_of(body)] = "spec: immutable"
    wanted, live = w.a_set({**body, "spec": {"size": 2}}), world.live()
    forecast = world.forecast(candidates(wanted, live, world.state))
    leaving = Leaving(allowed=allowed, namespace="shop")
    return make_plan(world.spec, wanted, live, forecast, world.state, leaving)


def test_nobody_named_it():
    (guard,) = plan_of().breached

    assert (guard.id, "--allow-delete PersistentVolumeClaim/shop/data" in guard.message) == (
        "PR-13", True
    )  # fmt: skip


def test_somebody_named_it():
    plan = plan_of("PersistentVolumeClaim/shop/data")

    assert (plan.breached, [g.waived_by for g in plan.guards if g.id == "PR-13"]) == (
        (), ["--allow-delete PersistentVolumeClaim/shop/data"]
    )  # fmt: skip


def test_a_name_is_no_permission_to_recreate_other_kinds():
    (guard,) = plan_of("Gizmo/shop/data", kind="Gizmo").breached

    assert guard.id == "AP-57"


def test_a_plan_remembers_what_was_allowed():
    assert plan_of("PersistentVolumeClaim/shop/data").allowed == (
        "PersistentVolumeClaim/shop/data",
    )


def test_a_name_that_means_nothing_is_noted():
    assert any("no object of that name" in note for note in plan_of("Secret/shop/x").notes)


@pytest.mark.parametrize("allowed", [(), ("Secret/shop/x",)])
def test_what_was_allowed_is_told_by_the_plan(allowed):
    assert plan_of(*allowed).allowed == allowed
