"""What the state becomes when a run begins and when it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.rollouts.bookkeeping import close_run, next_number, open_run
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
A, B, C = (ref_of(w.a_config(name)) for name in "abc")


def rolled_out(*bodies, **options):
    world = w.World(**options)
    world.roll_out(*bodies)
    return world


def names(state):
    return [entry.ref.name for entry in state.inventory]


# ------------------------------------------------------------------ a run begins


def test_everything_wanted_is_in_the_inventory_before_the_first_write():
    world = w.World()

    world.begin(world.plan(w.a_set(w.a_config("a"), w.a_config("b"))))

    assert names(world.state) == ["a", "b"]


def test_what_leaves_the_set_is_still_in_the_inventory():
    world = rolled_out(w.a_config("a"), w.a_config("b"))

    world.begin(world.plan(w.a_set(w.a_config("a"), w.a_config("c"))))

    assert names(world.state) == ["a", "b", "c"]


def test_what_was_applied_keeps_its_facts():
    world = rolled_out(w.a_config("a"))
    before = world.state.inventory

    world.begin(world.plan(w.a_set(w.a_config("a", k="new"))))

    assert world.state.inventory == before


@pytest.mark.parametrize("happens", ["gone", "created again", "immutable"])
def test_the_uid_of_an_object_that_is_made_anew_is_taken_back(happens):
    world = rolled_out(w.a_config("a"))
    match happens:
        case "gone":
            world.remove(A)
        case "created again":
            world.recreate(A)
        case "immutable":
            world.immutable[A] = "data: immutable"

    world.begin(world.plan(w.a_set(w.a_config("a", k="new"))))

    (entry,) = world.state.inventory
    assert (entry.uid, entry.owned_digest, entry.resource_version) == ("", "", "")


def test_the_journal_names_what_may_be_written():
    world = rolled_out(w.a_config("a"), w.a_config("b"))

    world.begin(world.plan(w.a_set(w.a_config("a"), w.a_config("c"))), token=7)

    assert (world.state.journal.planned, world.state.token) == ((C, B), 7)


def test_a_first_run_notes_the_cluster():
    world = w.World()

    world.begin(world.plan(w.a_set(w.a_config())))

    assert (world.state.rollout, world.state.cluster_id) == ("shop", w.CLUSTER_ID)


def test_the_namespace_of_the_target_is_not_in_the_inventory():
    world = w.World(spec=w.a_spec(target={"namespace": "shop"}))

    world.begin(world.plan(w.a_set(w.a_config()), absent_namespaces=frozenset({"shop"})))

    assert names(world.state) == ["a"]


# ------------------------------------------------------------------ a run ends


def test_a_successful_run_leaves_exactly_what_is_wanted():
    world = rolled_out(w.a_config("a"), w.a_config("b"))

    world.roll_out(w.a_config("a"), w.a_config("c"))

    assert (names(world.state), world.state.journal) == (["a", "c"], None)


def test_an_applied_object_is_remembered_with_all_that_the_next_run_asks():
    world = rolled_out(w.a_config("a"))

    (entry,) = world.state.inventory
    (manifest,), live = w.a_set(w.a_config("a")), world.live().get(A)
    assert (entry.uid, entry.wanted_digest, entry.owned_digest, entry.resource_version) == (
        live.uid, manifest.digest, live.owned_digest, live.resource_version
    )  # fmt: skip


def test_an_object_that_cannot_be_deleted_stays_with_the_reason():
    world = rolled_out(w.a_config("a"), w.a_config("b"))

    world.roll_out(w.a_config("a"), failing={B})

    assert [(entry.ref, entry.why_kept) for entry in world.state.inventory] == [
        (A, ""), (B, "refused")
    ]  # fmt: skip


def test_a_survivor_keeps_its_facts():
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    before = world.state.by_ref[B]

    world.roll_out(w.a_config("a"), failing={B})

    assert world.state.by_ref[B].uid == before.uid


def test_a_survivor_is_tried_again():
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    world.roll_out(w.a_config("a"), failing={B})

    world.roll_out(w.a_config("a"))

    assert (names(world.state), B in world.objects) == (["a"], False)


def test_a_survivor_that_is_wanted_again_is_no_survivor():
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    world.roll_out(w.a_config("a"), failing={B})

    world.roll_out(w.a_config("a"), w.a_config("b"))

    assert world.state.by_ref[B].why_kept == ""


def test_an_object_that_stays_is_kept_with_the_reason():
    kept = w.a_config("b", annotations={"helm.sh/resource-policy": "keep"})
    world = rolled_out(w.a_config("a"), kept)

    world.roll_out(w.a_config("a"))

    assert world.state.by_ref[B].why_kept == "annotation helm.sh/resource-policy: keep keeps it"


def test_nothing_is_deleted_after_a_failed_apply():
    world = rolled_out(w.a_config("a"), w.a_config("b"))

    world.roll_out(w.a_config("a", k="new"), failing={A})

    assert (B in world.objects, world.state.by_ref[B].why_kept) == (
        True, "an earlier step did not succeed"
    )  # fmt: skip


def test_an_update_that_failed_keeps_what_was_applied_before():
    world = rolled_out(w.a_config("a"))
    before = world.state.by_ref[A]

    world.roll_out(w.a_config("a", k="new"), failing={A})

    assert world.state.by_ref[A] == before


def test_a_create_that_failed_may_have_happened_and_stays():
    world = w.World()

    world.roll_out(w.a_config("a"), failing={A})

    assert [(entry.ref, entry.uid) for entry in world.state.inventory] == [(A, "")]


def test_a_create_that_was_never_sent_leaves_no_entry():
    world = w.World()
    late = w.a_config("b", annotations={"rollwright.dev/wave": "1"})

    world.roll_out(w.a_config("a"), late, failing={A})

    assert names(world.state) == ["a"]


def test_an_object_that_is_created_again_is_not_forgotten_when_that_was_not_sent():
    world = rolled_out(w.a_config("a"))
    world.remove(A)
    first = w.a_config("b", annotations={"rollwright.dev/wave": "-1"})

    world.roll_out(w.a_config("a"), first, failing={B})

    assert names(world.state) == ["a", "b"]


def test_a_kept_object_of_a_failed_run_is_not_forgotten():
    world = rolled_out(w.a_config("a"), w.a_config("b", annotations={"rollwright.dev/wave": "1"}))
    late = w.a_config("b", annotations={"rollwright.dev/wave": "1"})

    world.roll_out(w.a_config("a", k="new"), late, failing={A})

    assert names(world.state) == ["a", "b"]


def test_what_is_gone_already_is_forgotten():
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    world.remove(B)

    world.roll_out(w.a_config("a"))

    assert names(world.state) == ["a"]


def test_an_entry_that_no_plan_speaks_of_stays():
    world = rolled_out(w.a_config("a"))
    plan = world.plan(w.a_set(w.a_config("a", k="new")))
    other = rolled_out(w.a_config("b"))
    world.state = w.open_run(other.state, plan, w.Journal(
        run_id="r", plan_id=plan.id, owner="ada", token=1, started_at=w.NOW
    ))  # fmt: skip
    report = conclude(plan, w.TRIGGER, ())

    state = close_run(world.state, report, retain=10, ended_at=w.NOW)

    assert names(state) == ["a", "b"]


def test_an_object_that_stays_but_was_never_known_is_not_made_up():
    world = rolled_out(w.a_config("a"), w.a_config("b"), spec=w.a_spec(prune={"enabled": False}))
    plan = world.plan(w.a_set(w.a_config("a")))
    state = open_run(None, plan, world.state.journal or w.Journal(
        run_id="r", plan_id=plan.id, owner="ada", token=1, started_at=w.NOW
    ))  # fmt: skip

    closed = close_run(state, conclude(plan, w.TRIGGER, ()), retain=10, ended_at=w.NOW)

    assert names(closed) == ["a"]


@pytest.mark.parametrize(
    ("message", "why"), [("finalizers remain", "finalizers remain"), ("", "was not deleted yet")]
)
def test_a_survivor_always_has_a_reason(message, why):
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    plan = world.plan(w.a_set(w.a_config("a")))
    result = ChangeResult(
        ref=B, operation=w.Operation.PRUNE, outcome=Outcome.TIMED_OUT, message=message
    )
    step = StepResult(step="prune-0", outcome=Outcome.TIMED_OUT, changes=(result,))

    state = close_run(world.state, conclude(plan, w.TRIGGER, (step,)), retain=10, ended_at=w.NOW)

    assert state.by_ref[B].why_kept == why


def test_a_plan_without_results_leaves_its_prunes_for_later():
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    plan = world.plan(w.a_set(w.a_config("a")))

    state = close_run(world.state, conclude(plan, w.TRIGGER, ()), retain=10, ended_at=w.NOW)

    assert state.by_ref[B].why_kept == "was not deleted yet"


# ------------------------------------------------------------------ revisions


def test_a_run_is_on_record():
    (revision,) = rolled_out(w.a_config("a")).state.revisions

    assert (revision.number, revision.source, revision.outcome, revision.actor) == (
        1, "path@sha256:1", "succeeded", "ada"
    )  # fmt: skip


def test_a_failed_run_is_on_record_too():
    world = w.World()

    world.roll_out(w.a_config("a"), failing={A})

    assert world.state.last.outcome == "failed"


def test_numbers_count_up_though_old_revisions_go():
    world = w.World()
    for n in range(13):
        world.roll_out(w.a_config("a", k=str(n)))

    assert [one.number for one in world.state.revisions] == list(range(4, 14))


@pytest.mark.parametrize("has_run", [False, True])
def test_the_next_number_is_known_before(has_run):
    state = rolled_out(w.a_config("a")).state if has_run else None

    assert next_number(state) == (2 if has_run else 1)


# ------------------------------------------------------------------ crashes


@pytest.mark.parametrize("writes", range(4))
def test_after_a_crash_the_next_run_converges(writes):
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    wanted = w.a_config("a", k="new"), w.a_config("c")
    world.carry_out(world.plan(w.a_set(*wanted)), writes=writes)

    world.roll_out(*wanted)

    assert (sorted(ref.name for ref in world.objects), names(world.state)) == (
        ["a", "c"],
        ["a", "c"],
    )


@pytest.mark.parametrize("happens", ["gone", "created again", "immutable"])
def test_what_a_crashed_run_made_anew_is_still_ours(happens):
    world = rolled_out(w.a_config("a"), w.a_config("b"))
    match happens:
        case "gone":
            world.remove(A)
        case "created again":
            world.recreate(A)
        case "immutable":
            world.immutable[A] = "data: immutable"
    world.carry_out(world.plan(w.a_set(w.a_config("a", k="new"), w.a_config("b"))), writes=1)

    world.roll_out(w.a_config("b"))

    assert list(world.objects) == [B]


def test_a_run_that_was_set_off_after_its_plan_takes_no_time_and_not_less():
    plan = rolled_out(w.a_config("a")).plan(w.a_set(w.a_config("a")))
    late = replace(w.TRIGGER, received_at=plan.made_at + timedelta(seconds=1))

    report = conclude(plan, late, ())

    assert report.ended_at == report.started_at
